//! Key pairs of an issuer, and where it publishes them.

use std::io;
use std::sync::{Arc, Mutex};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::tokens::base64_url;

/// Ed25519 with a private key of nothing but ones: known to everybody, good for tests only.
pub(crate) const ONES: KeyPair = KeyPair {
    id: "ones",
    private: [1; 32],
    public: "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
};

/// Another one.
pub(crate) const TWOS: KeyPair = KeyPair {
    id: "twos",
    private: [2; 32],
    public: "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
};

/// P-256, likewise.
pub(crate) const THREES: KeyPair = KeyPair {
    id: "threes",
    private: [3; 32],
    public: "591ab771ebbcfd6d9cb9094d106528add1a69d44c2c1f627f089ec58b9c61adf\
             9f4e6abf0d045c0c693a3c68ad7c97ca72be64def4a26fecd263dd98a92780f0",
};

/// A key pair; Ed25519 if its public part has 32 bytes, else P-256.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyPair {
    id: &'static str,
    private: [u8; 32],
    public: &'static str,
}

impl KeyPair {
    /// A token signed with this pair and naming it.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let (algorithm, key) = if self.is_ed25519() {
            (Algorithm::EdDSA, EncodingKey::from_ed_der(&self.pkcs8()))
        } else {
            (Algorithm::ES256, EncodingKey::from_ec_der(&self.pkcs8()))
        };
        let header = Header {
            kid: Some(self.id.to_owned()),
            ..Header::new(algorithm)
        };
        encode(&header, claims, &key).unwrap()
    }

    /// The same pair under another name.
    pub(crate) fn named(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    /// The public part, as a key set shows it.
    pub(crate) fn jwk(&self) -> Value {
        let public = self.public_bytes();
        if self.is_ed25519() {
            return json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": self.id, "x": base64_url(&public) });
        }
        let (x, y) = public.split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": base64_url(x), "y": base64_url(y) })
    }

    /// The public part, as an attacker has it.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        hex(self.public)
    }

    fn is_ed25519(&self) -> bool {
        self.public.len() == 64
    }

    /// RFC 5958, with the public part where the algorithm's own form wants it.
    fn pkcs8(&self) -> Vec<u8> {
        let public = self.public_bytes();
        if self.is_ed25519() {
            let head = hex("3051020101300506032b657004220420");
            return [head, self.private.to_vec(), hex("812100"), public].concat();
        }
        let head = hex("308187020100301306072a8648ce3d020106082a8648ce3d030107");
        let inner = hex("046d306b0201010420");
        let tail = hex("a14403420004");
        [head, inner, self.private.to_vec(), tail, public].concat()
    }
}

/// Serves a key set over HTTP until it is dropped.
#[derive(Debug)]
pub(crate) struct Issuer {
    keys: Arc<Mutex<String>>,
    url: String,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn publishing(keys: &[KeyPair]) -> Self {
        Self::saying(key_set(keys)).await
    }

    /// Publishes whatever this is.
    pub(crate) async fn saying(text: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(text));
        let shown = Arc::clone(&keys);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let keys = shown.lock().unwrap().clone();
                // Who hangs up early is not served; that is all.
                answer(stream, &keys).await.ok();
            }
        });
        Self { keys, url, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on publishes these instead.
    pub(crate) fn rotate(&self, keys: &[KeyPair]) {
        self.says(key_set(keys));
    }

    /// From now on publishes this text.
    pub(crate) fn says(&self, text: String) {
        *self.keys.lock().unwrap() = text;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The document that holds the public parts.
pub(crate) fn key_set(keys: &[KeyPair]) -> String {
    let keys: Vec<_> = keys.iter().map(KeyPair::jwk).collect();
    json!({ "keys": keys }).to_string()
}

async fn answer(mut stream: TcpStream, body: &str) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
