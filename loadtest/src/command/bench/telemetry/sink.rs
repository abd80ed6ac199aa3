//! A collector of traces that takes everything and keeps nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running collector; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Sink {
    url: String,
    received: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Listens on a free loopback port.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let received = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                // One exporter makes one connection, or a few.
                tokio::spawn(async move {
                    let service = service_fn(move |request| take(request, Arc::clone(&counted)));
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // The gateway that ends cuts it.
                    served.await.unwrap_or_default();
                });
            }
        });
        Ok(Self {
            url,
            received,
            task,
        })
    }

    /// Where spans go.
    #[must_use]
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many batches of spans came.
    #[must_use]
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // What breaks off is the gateway's loss.
    drop(request.into_body().collect().await);
    received.fetch_add(1, Ordering::Relaxed);
    // An empty protobuf message: everything was taken.
    Ok(Response::new(Full::default()))
}
