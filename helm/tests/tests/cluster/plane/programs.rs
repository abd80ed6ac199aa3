//! How each program of the plane is started.

use super::Plane;

/// Free ports of the loopback interface.
#[derive(Debug)]
pub(super) struct Ports {
    etcd: u16,
    etcd_peer: u16,
    pub(super) api: u16,
    controllers: u16,
    scheduler: u16,
    kwok: u16,
    pub(super) metrics: u16,
}

impl Ports {
    pub(super) fn free() -> Self {
        let mut ports = std::collections::BTreeSet::new();
        while ports.len() < 7 {
            ports.insert(roomwire_dev::free_port().unwrap());
        }
        let ports: [u16; 7] = Vec::from_iter(ports).try_into().unwrap();
        let [etcd, etcd_peer, api, controllers, scheduler, kwok, metrics] = ports;
        Self {
            etcd,
            etcd_peer,
            api,
            controllers,
            scheduler,
            kwok,
            metrics,
        }
    }
}

/// What programs show as servers; the same certificate makes them administrators as clients.
const SERVER: &str =
    "--bind-address=127.0.0.1 --tls-cert-file=admin.crt --tls-private-key-file=admin.key";

impl Plane {
    pub(super) fn start_etcd(&self) {
        let (own, peer) = (self.ports.etcd, self.ports.etcd_peer);
        let flags = format!(
            "--data-dir=etcd --unsafe-no-fsync --log-level=warn
             --listen-client-urls=http://127.0.0.1:{own} --advertise-client-urls=http://127.0.0.1:{own}
             --listen-peer-urls=http://127.0.0.1:{peer}
             --initial-advertise-peer-urls=http://127.0.0.1:{peer}
             --initial-cluster=default=http://127.0.0.1:{peer}"
        );
        self.run("etcd", &flags);
    }

    pub(super) fn start_server(&self) {
        let (etcd, port) = (self.ports.etcd, self.ports.api);
        let flags = format!(
            "{SERVER} --secure-port={port} --etcd-servers=http://127.0.0.1:{etcd}
             --advertise-address=127.0.0.1 --endpoint-reconciler-type=none
             --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC
             --client-ca-file=ca.crt --service-account-issuer=https://kubernetes.default.svc
             --service-account-key-file=admin.crt --service-account-signing-key-file=admin.key
             --proxy-client-cert-file=admin.crt --proxy-client-key-file=admin.key
             --requestheader-client-ca-file=ca.crt --requestheader-allowed-names=admin
             --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group
             --requestheader-extra-headers-prefix=X-Remote-Extra-"
        );
        self.run("kube-apiserver", &flags);
    }

    pub(super) fn start_controllers(&self) {
        let port = self.ports.controllers;
        // How careful the autoscaler is with young pods is not what is checked.
        let flags = format!(
            "{SERVER} --secure-port={port} --kubeconfig=admin.json --leader-elect=false
             --root-ca-file=ca.crt --service-account-private-key-file=admin.key
             --horizontal-pod-autoscaler-sync-period=2s
             --horizontal-pod-autoscaler-cpu-initialization-period=1s
             --horizontal-pod-autoscaler-initial-readiness-delay=1s"
        );
        self.run("kube-controller-manager", &flags);
        let port = self.ports.scheduler;
        let flags =
            format!("{SERVER} --secure-port={port} --kubeconfig=admin.json --leader-elect=false");
        self.run("kube-scheduler", &flags);
    }

    pub(super) fn start_kwok(&self) {
        let port = self.ports.kwok;
        let flags = format!(
            "--kubeconfig=admin.json --config=kwok.yaml --manage-all-nodes=true --cidr=10.0.0.1/16
             --node-ip=127.0.0.1 --node-port={port} --server-address=127.0.0.1:{port}
             --node-lease-duration-seconds=40 --tls-cert-file=admin.crt --tls-private-key-file=admin.key"
        );
        self.run("kwok", &flags);
    }

    pub(super) fn start_metrics_server(&self) {
        let port = self.ports.metrics;
        let flags = format!(
            "{SERVER} --secure-port={port} --kubeconfig=admin.json
             --authentication-kubeconfig=admin.json --authorization-kubeconfig=admin.json
             --kubelet-insecure-tls --kubelet-use-node-status-port
             --kubelet-preferred-address-types=InternalIP
             --metric-resolution=10s --kubelet-request-timeout=5s"
        );
        self.run("metrics-server", &flags);
    }

    fn run(&self, name: &'static str, flags: &str) {
        let flags: Vec<_> = flags.split_whitespace().map(str::to_owned).collect();
        let program = self.bin.join(name);
        let mut processes = self.processes.lock().unwrap();
        processes.start(name, &program, &flags);
    }
}
