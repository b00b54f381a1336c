//! Where clients meet the breaker: on plain HTTP, or on TLS with the right certificate or a wrong one.

use crate::Server;
use anyhow::{Context, Result};
use axum::serve::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How clients are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Front {
    /// Plain HTTP, at an address that says so.
    Plain,
    /// Plain HTTP, at an address without a scheme.
    Bare,
    /// TLS with the server's own certificate.
    Tls,
    /// TLS for the right name, by an authority that nobody trusts.
    Foreign,
    /// TLS with the server's own certificate, at an address that it does not cover.
    Misnamed,
}

impl Front {
    /// Where clients find it, as an endpoint without a scheme where SDKs expect none.
    pub(super) fn endpoint(self, port: u16) -> String {
        match self {
            Self::Plain => format!("http://127.0.0.1:{port}"),
            Self::Bare | Self::Tls | Self::Foreign => format!("localhost:{port}"),
            Self::Misnamed => format!("{}:{port}", self.ip()),
        }
    }

    /// The beginning of its URLs, with `scheme` and its secure form `scheme`s.
    pub(super) fn origin(self, scheme: &str, port: u16) -> String {
        match self {
            Self::Plain | Self::Bare => format!("{scheme}://127.0.0.1:{port}"),
            Self::Tls | Self::Foreign | Self::Misnamed => format!("{scheme}s://{}", self.endpoint(port)),
        }
    }

    fn ip(self) -> Ipv4Addr {
        if self == Self::Misnamed { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST }
    }

    /// Listens on a free port.
    pub(super) async fn listen(self, server: &Server, hits: &Arc<AtomicU64>) -> Result<(Door, u16)> {
        let identity = match self {
            Self::Plain | Self::Bare => None,
            Self::Tls | Self::Misnamed => {
                let tls = server.data_dir().join("tls");
                let chain = CertificateDer::pem_file_iter(tls.join("server.pem"))?.collect::<Result<_, _>>()?;
                Some((chain, PrivateKeyDer::from_pem_file(tls.join("server.key"))?))
            }
            Self::Foreign => {
                let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
                let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
                Some((vec![certified.cert.der().clone()], key))
            }
        };
        let acceptor = identity.map(|(chain, key)| {
            let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
            Ok::<_, rustls::Error>(TlsAcceptor::from(Arc::new(config)))
        });
        let tcp = TcpListener::bind((self.ip(), 0)).await.context("the breaker finds no port")?;
        let port = tcp.local_addr()?.port();
        let hits = matches!(self, Self::Bare | Self::Foreign | Self::Misnamed).then(|| hits.clone());
        Ok((Door { tcp, acceptor: acceptor.transpose()?, hits }, port))
    }
}

/// Accepts connections; those whose handshake fails are nobody's.
pub(super) struct Door {
    tcp: TcpListener,
    acceptor: Option<TlsAcceptor>,
    /// Who comes to a wrong front has met the rule.
    hits: Option<Arc<AtomicU64>>,
}

/// A client's connection.
pub(super) type Stream = tokio_util::either::Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Listener for Door {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            if let Some(hits) = &self.hits {
                hits.fetch_add(1, Ordering::Relaxed);
            }
            match &self.acceptor {
                None => return (Stream::Left(stream), address),
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        return (Stream::Right(Box::new(stream)), address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
