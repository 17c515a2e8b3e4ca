//! TLS: what is shown, who is believed, and what is refused.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{
    Trial,
    authority::{Authority, Purpose, Signed},
    command, poll,
    service::{Answer, Service, install_crypto, send},
};
use reqwest::{Certificate, Client, Identity};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A client that believes this authority only, and shows what it is given.
fn client(authority: &str, shown: Option<&Signed>) -> Client {
    install_crypto();
    let authority = Certificate::from_pem(authority.as_bytes()).expect("a certificate");
    let mut builder = Client::builder().tls_certs_only([authority]).no_proxy().timeout(Duration::from_secs(30));
    if let Some(Signed { certificate, key }) = shown {
        builder = builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).expect("an identity"));
    }
    builder.build().expect("a client can be made")
}

async fn start(trial: &mut Trial, flags: &[&str]) -> Service {
    trial.settings().flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let settings = trial.settings().clone();
    let started = Service::start(&settings, trial.file("x").parent().expect("a directory")).await;
    started.unwrap_or_else(|(code, log)| panic!("the service has ended ({code}): {log}"))
}

async fn health(client: &Client, trial: &Trial) -> reqwest::Result<Answer> {
    send(client.get(trial.url().replace("http:", "https:") + "/health")).await
}

/// A trial whose service shows a certificate of this authority; gives its files as well.
async fn given(authority: &Authority, more: &[&str]) -> (Trial, Service) {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    let dir = trial.file("x").parent().expect("a directory").to_owned();
    let (certificate, key) = authority.sign("the service", Purpose::Server).write(&dir, "server");
    let ca = dir.join("ca.crt");
    std::fs::write(&ca, authority.certificate()).expect("a temporary file can be written");
    let text = |path: &Path| path.to_str().expect("a text").to_owned();
    let files = [text(&certificate), text(&key), text(&ca)];
    let mut flags = vec!["--tls-cert", &files[0], "--tls-key", &files[1]];
    flags.extend(more.iter().map(|flag| if *flag == "CA" { files[2].as_str() } else { *flag }));
    let service = start(&mut trial, &flags).await;
    (trial, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_made_certificate_is_kept_and_said() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    let service = start(&mut trial, &["--tls-self-made"]).await;
    let file = trial.data_dir().join("tls-self-made.crt");
    let certificate = std::fs::read_to_string(&file).expect("it is kept");
    let trusting = client(&certificate, None);
    let answer = health(&trusting, &trial).await.expect("the service answers by TLS");
    assert_eq!(answer.status, 200);
    // In a trial its name is often localhost, which other services have too.
    assert!(!answer.headers.iter().any(|(name, _)| name == "strict-transport-security"));

    // Without TLS nobody is served, and who believes others gets no further.
    assert!(send(Client::new().get(trial.url() + "/health")).await.is_err());
    assert!(health(&client(&Authority::new().certificate(), None), &trial).await.is_err());

    assert_eq!(service.stop("TERM").await, 0);
    let service = start(&mut trial, &["--tls-self-made"]).await;
    assert_eq!(std::fs::read_to_string(&file).expect("it is kept"), certificate);
    assert_eq!(health(&trusting, &trial).await.expect("the same certificate").status, 200);
    drop(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_needs_no_restart() {
    let authority = Authority::new();
    let (trial, service) = given(&authority, &[]).await;
    assert_eq!(health(&client(&authority.certificate(), None), &trial).await.expect("it answers").status, 200);

    let renewed = Authority::new();
    let dir = trial.file("x").parent().expect("a directory").to_owned();
    // A renewal that went wrong leaves the old certificate.
    std::fs::write(dir.join("server.crt"), "nothing").expect("a temporary file can be written");
    service.signal("HUP");
    assert_eq!(health(&client(&authority.certificate(), None), &trial).await.expect("it answers").status, 200);
    renewed.sign("the service", Purpose::Server).write(&dir, "server");
    service.signal("HUP");
    let answers = async || health(&client(&renewed.certificate(), None), &trial).await.ok();
    assert_eq!(poll::until("the new certificate is shown", answers).await.status, 200);
    assert!(health(&client(&authority.certificate(), None), &trial).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (trial, _service) = given(&authority, &["--client-ca", "CA"]).await;
    let ca = authority.certificate();
    let ask = async |shown: Option<&Signed>| health(&client(&ca, shown), &trial).await;

    // Nobody must show one.
    assert_eq!(ask(None).await.expect("it answers").status, 200);
    // One that holds, of a device that nobody has registered, is a credential that is not known.
    let device = authority.sign("nobody-has-registered-me", Purpose::Client);
    assert_eq!(ask(Some(&device)).await.expect("it answers").problem().code, api::Code::Unauthenticated);
    for (what, shown) in [
        ("expired", authority.sign("pump-1", Purpose::Expired)),
        ("of another authority", stranger.sign("pump-1", Purpose::Client)),
        ("of a server", authority.sign("pump-1", Purpose::Server)),
    ] {
        assert!(ask(Some(&shown)).await.is_err(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_its_device() {
    let authority = Authority::new();
    let (trial, _service) = given(&authority, &["--client-ca", "CA"]).await;
    let url = trial.url().replace("http:", "https:");
    let anybody = client(&authority.certificate(), None);
    let registration = json!({"name": "pump-1", "type": "generic", "certificate": true});
    let made = send(anybody.post(format!("{url}/api/v1/devices")).json(&registration)).await.expect("it answers");
    assert_eq!(made.status, 201, "{}", made.text());

    let pump = client(&authority.certificate(), Some(&authority.sign("pump-1", Purpose::Client)));
    let readings = json!([
        {"device": "pump-1", "sequence": 1, "metrics": {"rate": 5.0}},
        {"device": "pump-2", "sequence": 1, "metrics": {"rate": 5.0}},
    ]);
    let sent = send(pump.post(format!("{url}/api/v1/readings")).json(&readings)).await.expect("it answers");
    assert_eq!(sent.status, 207, "{}", sent.text());
    let results: api::Readings = serde_json::from_slice(&sent.body).expect("results");
    assert_eq!(results.results[0].status, api::Status::Stored);
    assert_eq!(results.results[1].problem.as_ref().map(|problem| problem.code), Some(api::Code::Forbidden));
    // Lines need no tag: the certificate says whose they are.
    let lines = send(pump.post(format!("{url}/api/v2/write")).body("pump rate=5.5")).await.expect("it answers");
    assert_eq!(lines.status, 204, "{}", lines.text());
}

/// A TLS connection past all HTTP clients.
async fn connect(trial: &Trial, authority: &Authority) -> tokio_rustls::client::TlsStream<TcpStream> {
    install_crypto();
    let mut roots = RootCertStore::empty();
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(authority.certificate().as_bytes());
    roots.add(certificate.expect("a certificate")).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let address = trial.url().replace("http://", "");
    let stream = TcpStream::connect(&address).await.expect("the service listens");
    let name = "127.0.0.1".try_into().expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_silent_clients_lose_their_place_by_tls_too() {
    let authority = Authority::new();
    let (trial, _service) = given(&authority, &[]).await;
    let from = Instant::now();
    let limit = Duration::from_secs(25);
    let silent = async {
        let mut silent = TcpStream::connect(trial.url().replace("http://", "")).await.expect("the service listens");
        tokio::time::timeout(limit, silent.read_to_end(&mut Vec::new())).await
    };
    let says = async |text: &str| {
        let mut stream = connect(&trial, &authority).await;
        stream.write_all(text.as_bytes()).await.expect("the service reads");
        let mut answer = Vec::new();
        // Whether the end is said or not makes no difference here.
        let ended = tokio::time::timeout(limit, stream.read_to_end(&mut answer)).await;
        ended.map(|_| String::from_utf8_lossy(&answer).into_owned())
    };
    let whole = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", trial.url().replace("http://", ""));
    let half = "POST /api/v1/readings HTTP/1.1\r\nhost: 127";
    let (silent, idle, slow, kept) = tokio::join!(silent, says(""), says(half), says(&whole));
    assert!(silent.is_ok(), "a connection without a handshake is ended");
    idle.expect("a connection without a request is ended");
    slow.expect("a head without an end is ended");
    assert!(kept.expect("a connection without another request is ended").starts_with("HTTP/1.1 200"));
    assert!(from.elapsed() < limit);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_tls_and_plain_http_are_refused() {
    let authority = Authority::new();
    let (trial, _service) = given(&authority, &[]).await;
    // A ClientHello of TLS 1.1: version 3.2, one cipher of that time, no extensions.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    for (what, bytes) in [("TLS 1.1", hello), ("HTTP", b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec())] {
        let mut stream = TcpStream::connect(trial.url().replace("http://", "")).await.expect("the service listens");
        stream.write_all(&bytes).await.expect("the service reads");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut answer)).await;
        let _ = read.unwrap_or_else(|_| panic!("{what}: the connection is not ended"));
        // An alert (21), and nothing else.
        assert!(answer.is_empty() || (answer[0] == 21 && answer.len() == 7), "{what}: {answer:?}");
    }
    let (tls12, tls13) = (reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3);
    for version in [tls12, tls13] {
        let ca = Certificate::from_pem(authority.certificate().as_bytes()).expect("a certificate");
        let builder = Client::builder().tls_certs_only([ca]).no_proxy();
        let client = builder.tls_version_min(version).tls_version_max(version).build().expect("a client");
        assert_eq!(health(&client, &trial).await.expect("it answers").status, 200, "{version:?}");
    }
}

/// What `serve` says to these flags, without a chain: it refuses before it looks for one.
async fn refusal(flags: &[&str]) -> String {
    let mut args = vec!["serve", "--contract", "0x0000000000000000000000000000000000000001", "--data-dir", "nowhere"];
    args.extend(flags);
    let output = tokio::process::Command::new(e2e::paths::service_binary())
        .args(args)
        .env("ANOMALY_LEDGER_ANCHORER_KEY", e2e::chain::ANCHORER_KEY)
        .output()
        .await
        .expect("the service can be started");
    assert_eq!(output.status.code(), Some(2), "{flags:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_would_let_others_read_or_pretend_are_refused() {
    for (flags, says) in [
        (vec!["--listen", "0.0.0.0:0"], "--tls-cert"),
        (vec!["--listen", "[::]:0"], "--trusted-proxy"),
        (vec!["--listen", "0.0.0.0:0", "--tls-self-made"], "--tls-cert"),
        (vec!["--listen", "0.0.0.0:0", "--trial"], "loopback"),
        (vec!["--listen", "0.0.0.0:0", "--trial", "--tls-self-made"], "loopback"),
        (vec!["--trial", "--trusted-proxy", "127.0.0.1"], "--trusted-proxy"),
        // The other ways in are no back doors.
        (vec!["--tcp", "0.0.0.0:0"], "--tls-cert"),
        (vec!["--mqtt", "[::]:0"], "--tls-cert"),
        (vec!["--trial", "--tcp", "0.0.0.0:0"], "loopback"),
        (vec!["--trial", "--mqtt", "192.0.2.1:1883"], "loopback"),
        (vec!["--trial", "--tls-self-made", "--mqtt", "[::]:0"], "loopback"),
        (vec!["--tcp", "0.0.0.0:0", "--tls-self-made"], "--tls-cert"),
        (vec!["--trusted-proxy", "proxy.example"], "10.0.0.0/8"),
        (vec!["--client-ca", "ca.pem"], "--tls-cert"),
        (vec!["--tls-cert", "cert.pem"], "--tls-key"),
        (vec!["--tls-cert", "c", "--tls-key", "k", "--tls-self-made"], "--tls-self-made"),
    ] {
        let said = refusal(&flags).await;
        assert!(said.contains(says), "{flags:?}: {said}");
    }
    // Files that cannot be used are named.
    let trial = Trial::prepare(e2e::Chain::start().await).await;
    let data_dir = trial.data_dir().to_str().expect("a text").to_owned();
    let flags =
        ["serve", "--trial", "--listen", "127.0.0.1:0", "--data-dir", &data_dir, "--contract", trial.contract()];
    let flags = flags.iter().chain(&["--tls-cert", "no-such.crt", "--tls-key", "no-such.key"]);
    let mut process = tokio::process::Command::new(e2e::paths::service_binary());
    let output = process.args(flags).env("ANOMALY_LEDGER_ANCHORER_KEY", e2e::chain::ANCHORER_KEY).output().await;
    let output = output.expect("the service can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("no-such.crt"), "{said}");
    command::run(["serve", "--help"]).await.expect_success();
}

/// Connections that say nothing, after a request each.
const IDLE: usize = 500;

/// Opens idle connections, and gives by how much each has made the service larger.
async fn memory_of_each<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    service: &Service,
    host: &str,
    open: impl AsyncFn() -> S,
) -> u64 {
    let request = format!("GET /health HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let ask = async || {
        let mut stream = open().await;
        stream.write_all(request.as_bytes()).await.expect("the service reads");
        let mut answer = [0; 4096];
        assert!(stream.read(&mut answer).await.expect("the service answers") > 0);
        stream
    };
    // What the first ones make it allocate is not theirs.
    drop((ask().await, ask().await, ask().await));
    let before = service.memory();
    let mut kept = Vec::with_capacity(IDLE);
    while kept.len() < IDLE {
        kept.push(ask().await);
    }
    let after = service.memory();
    // The oldest is there yet, and so are all.
    let ended = tokio::time::timeout(Duration::from_millis(1), kept[0].read(&mut [0])).await;
    assert!(ended.is_err(), "{IDLE} connections were not opened within the time that an idle one is kept");
    after.saturating_sub(before) / IDLE as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_take_little_memory() {
    let authority = Authority::new();
    let (trial, service) = given(&authority, &[]).await;
    let host = trial.url().replace("http://", "");
    let by_tls = memory_of_each(&service, &host, async || connect(&trial, &authority).await).await;
    let trial = Trial::start().await;
    let host = trial.url().replace("http://", "");
    let plain = async || TcpStream::connect(&host).await.expect("the service listens");
    let plainly = memory_of_each(trial.service(), &host, plain).await;
    println!("bytes for an idle connection: {plainly} plain, {by_tls} by TLS");
    // 10,000 of them are 320 MB, and 640 MB by TLS.
    assert!(plainly < 32 << 10 && by_tls < 64 << 10, "{plainly} {by_tls}");
}
