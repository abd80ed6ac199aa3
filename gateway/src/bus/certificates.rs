//! Certificates for connections to Redis with TLS, where they are not the system's.

use fred::rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use secrecy::ExposeSecret as _;

use crate::config::RedisTls;

/// A file does not hold what its variable promises. Says nothing of what it holds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}: holds no certificates (PEM)")]
    NoCertificates(&'static str),
    #[error("REDIS_TLS_KEY_FILE: holds no key (PEM)")]
    NoKey,
    #[error("REDIS_TLS_CERT_FILE: does not fit its key: {0}")]
    Unusable(fred::rustls::Error),
    #[error("the system's certificates cannot be read")]
    NoSystem,
}

/// How a client of these certificates connects; none where everything is the system's.
pub(super) fn client(tls: &RedisTls) -> Result<Option<ClientConfig>, Error> {
    if tls.authorities.is_none() && tls.identity.is_none() {
        return Ok(None);
    }
    let builder = ClientConfig::builder().with_root_certificates(roots(tls)?);
    let Some((certificates, key)) = &tls.identity else {
        return Ok(Some(builder.with_no_client_auth()));
    };
    let chain = read(certificates, "REDIS_TLS_CERT_FILE")?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
    let key = key.map_err(|_| Error::NoKey)?;
    let client = builder.with_client_auth_cert(chain, key);
    client.map(Some).map_err(Error::Unusable)
}

fn roots(tls: &RedisTls) -> Result<RootCertStore, Error> {
    const AUTHORITIES: &str = "REDIS_TLS_CA_FILE";
    let mut roots = RootCertStore::empty();
    let certificates = match &tls.authorities {
        Some(pem) => read(pem, AUTHORITIES)?,
        None => fred::rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    match (added, &tls.authorities) {
        (0, Some(_)) => Err(Error::NoCertificates(AUTHORITIES)),
        (0, None) => Err(Error::NoSystem),
        _ => Ok(roots),
    }
}

fn read(pem: &str, variable: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = read.unwrap_or_default();
    if found.is_empty() {
        return Err(Error::NoCertificates(variable));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_told_by_its_variable() {
        for text in [
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
            "not PEM",
        ] {
            let tls = RedisTls {
                authorities: Some(text.to_owned()),
                identity: None,
            };
            let error = client(&tls).unwrap_err().to_string();
            assert_eq!(error, "REDIS_TLS_CA_FILE: holds no certificates (PEM)");
        }
    }

    #[test]
    fn without_certificates_of_its_own_the_system_decides() {
        assert!(client(&RedisTls::default()).unwrap().is_none());
    }
}
