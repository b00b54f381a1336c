//! Bytes in and out of a session: the direct tool route and `/v1` files, next to a bare TLS stream between two processes.

use crate::stats::{Samples, print_table};
use anyhow::{Context, Result, ensure};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::{Rpc, Server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What is carried in each run.
const BYTES: usize = 200 << 20;
const RUNS: usize = 5;
const CHUNK: usize = 256 << 10;
/// The argument with which this program is the other process of the floor.
pub(crate) const PEER_ARGUMENT: &str = "tls-peer";

/// Measures and prints.
pub(crate) async fn run(server: &Server) -> Result<()> {
    let rpc = Rpc::new(server)?;
    let body = rpc.ok("CreateMcpSession", &[("SdkStats", r#"{"sdk_language":"python","sdk_version":"0.22.3"}"#)]).await?;
    let ours = Ours::new(server, &body["Data"])?;
    let peer = Peer::start().await?;
    rpc.stdout(&ours.session, &format!("head -c {BYTES} /dev/urandom > /tmp/blob")).await?;

    let [mut floor, mut get, mut put, mut read, mut write] = std::array::from_fn(|_| Samples::default());
    for round in 0..=RUNS {
        let took = [peer.read().await?, ours.get().await?, ours.put().await?, ours.read_tool().await?, ours.write_tool().await?];
        // The first round warms the page cache.
        if round > 0 {
            for (samples, took) in [&mut floor, &mut get, &mut put, &mut read, &mut write].into_iter().zip(took) {
                samples.add(took);
            }
        }
    }
    rpc.ok("ReleaseMcpSession", &[("SessionId", &ours.session)]).await?;
    print_table(
        "200 MiB in and out of a session (a lower ratio is better; 1.67x is the aim)",
        "a bare TLS stream between two processes",
        floor.median(),
        &[
            ("floor: bare TLS stream, read", &floor),
            ("ours: GET /v1/sessions/{id}/files", &get),
            ("ours: PUT /v1/sessions/{id}/files", &put),
            ("ours: direct route, read_file as base64", &read),
            ("ours: direct route, write_file of text", &write),
        ],
    );
    Ok(())
}

/// The other process of the floor: answers every connection with the bytes. Its first line of output is where and how.
pub(crate) async fn be_peer() -> Result<()> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let certificate = certified.cert.der().clone();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "port": listener.local_addr()?.port(), "certificate": certificate.to_vec() }));
    let chunk = vec![0xa5; CHUNK];
    loop {
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        for _ in 0..BYTES / CHUNK {
            stream.write_all(&chunk).await?;
        }
        stream.shutdown().await?;
    }
}

struct Peer {
    port: u16,
    connector: TlsConnector,
    _process: tokio::process::Child,
}

impl Peer {
    async fn start() -> Result<Self> {
        let mut process = tokio::process::Command::new(std::env::current_exe()?)
            .arg(PEER_ARGUMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("piped")?).read_line(&mut line).await?;
        let told: Value = serde_json::from_str(&line)?;
        let certificate: Vec<u8> = serde_json::from_value(told["certificate"].clone())?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(certificate))?;
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let port = u16::try_from(told["port"].as_u64().context("no port")?)?;
        Ok(Self { port, connector: TlsConnector::from(Arc::new(config)), _process: process })
    }

    async fn read(&self) -> Result<Duration> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut stream = self.connector.connect(ServerName::try_from("localhost")?, stream).await?;
        let began = Instant::now();
        let (mut buffer, mut total) = (vec![0; CHUNK], 0);
        loop {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => total += count,
            }
        }
        ensure!(total == BYTES, "the floor carried {total} bytes");
        Ok(began.elapsed())
    }
}

struct Ours {
    http: reqwest::Client,
    files: String,
    authorization: String,
    link: String,
    token: String,
    session: String,
}

impl Ours {
    fn new(server: &Server, data: &Value) -> Result<Self> {
        let text = |name: &str| Ok::<_, anyhow::Error>(data[name].as_str().with_context(|| format!("no {name}"))?.to_owned());
        let session = text("SessionId")?;
        Ok(Self {
            http: server.http()?,
            files: format!("{}/v1/sessions/{session}/files", server.fact("https")?),
            authorization: format!("Bearer {}", server.key()?),
            link: format!("{}/callTool", text("LinkUrl")?.trim_end_matches('/')),
            token: text("Token")?,
            session,
        })
    }

    async fn get(&self) -> Result<Duration> {
        let began = Instant::now();
        let request = self.http.get(&self.files).query(&[("path", "/tmp/blob")]).header("Authorization", &self.authorization);
        let total = drain(request.send().await?).await?;
        ensure!(total == BYTES, "GET carried {total} bytes");
        Ok(began.elapsed())
    }

    async fn put(&self) -> Result<Duration> {
        let chunk = bytes::Bytes::from(vec![0xa5; CHUNK]);
        let body = futures::stream::iter((0..BYTES / CHUNK).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
        let began = Instant::now();
        let request = self.http.put(&self.files).query(&[("path", "/tmp/put")]).header("Authorization", &self.authorization);
        let answer: Value = request.body(reqwest::Body::wrap_stream(body)).send().await?.error_for_status()?.json().await?;
        ensure!(answer["bytes"] == BYTES, "PUT said {answer}");
        Ok(began.elapsed())
    }

    async fn read_tool(&self) -> Result<Duration> {
        let began = Instant::now();
        let args = json!({ "path": "/tmp/blob", "offset": 0, "length": 0, "format": "binary" });
        let total = drain(self.tool("read_file", args).send().await?).await?;
        ensure!(total > BYTES / 3 * 4, "the direct route carried {total} bytes");
        Ok(began.elapsed())
    }

    async fn write_tool(&self) -> Result<Duration> {
        let args = json!({ "path": "/tmp/written", "content": "x".repeat(BYTES), "mode": "overwrite" });
        let request = self.tool("write_file", args).build()?;
        let began = Instant::now();
        let answer: Value = self.http.execute(request).await?.error_for_status()?.json().await?;
        ensure!(!answer.to_string().contains(r#""isError":true"#), "the direct route said {answer}");
        Ok(began.elapsed())
    }

    fn tool(&self, name: &str, args: Value) -> reqwest::RequestBuilder {
        let body =
            json!({ "args": args, "server": "wuying_filesystem", "requestId": "link-1-000000001", "tool": name, "token": self.token });
        self.http.post(&self.link).header("X-Access-Token", &self.token).json(&body)
    }
}

async fn drain(answer: reqwest::Response) -> Result<usize> {
    let mut answer = answer.error_for_status()?;
    let mut total = 0;
    while let Some(chunk) = answer.chunk().await? {
        total += chunk.len();
    }
    Ok(total)
}
