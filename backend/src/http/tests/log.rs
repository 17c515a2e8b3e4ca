//! The log as C2SP tlog-tiles has it: paths, widths, headers, codings (docs/spec/tree.md).

use std::io::Read;

use axum::http::Method;
use ledger::{checkpoint::LogSigner, hash::EMPTY_ROOT, hash::leaf_hash};

use super::bench::Bench;

const GZIP: (&str, &str) = ("accept-encoding", "br, gzip;q=0.8, identity");

/// A log of one full tile and a partial one.
fn bench(trial: bool) -> Bench {
    let bench = Bench::of(trial);
    *bench.log.anomalies.lock().unwrap() = (0..300).map(|at| (entry(at), None)).collect();
    bench
}

fn entry(at: usize) -> Vec<u8> {
    format!("{{\"entry\":{at}}}").into_bytes()
}

fn bundle(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(entry).flat_map(|entry| [&(entry.len() as u16).to_be_bytes()[..], &entry].concat()).collect()
}

fn hashes(from: usize, to: usize) -> Vec<u8> {
    (from..to).flat_map(|at| leaf_hash(&entry(at)).0).collect()
}

#[tokio::test]
async fn tiles_are_served_in_every_width_that_they_have() {
    let bench = bench(true);
    for (path, from, to) in
        [("000", 0, 256), ("000.p/1", 0, 1), ("000.p/255", 0, 255), ("001.p/1", 256, 257), ("001.p/44", 256, 300)]
    {
        assert_eq!(bench.get(&format!("/tile/0/{path}")).await.body, hashes(from, to), "{path}");
        assert_eq!(bench.get(&format!("/tile/entries/{path}")).await.body, bundle(from, to), "{path}");
    }
}

#[tokio::test]
async fn what_the_tree_does_not_have_is_not_found() {
    let bench = bench(true);
    // Too wide, beyond the tree, or not as tlog-tiles writes it.
    for path in [
        "001",
        "001.p/45",
        "002",
        "002.p/1",
        "x001/000",
        "000.p/0",
        "000.p/256",
        "000.p/01",
        "000.p",
        "0",
        "0000",
        "x000/000",
        "001.p/1/",
        "",
        "x999/x999/x999/x999/x999/x999/999",
        "x018/x446/x744/x073/x709/x551/616",
    ] {
        for level in ["0", "entries"] {
            let answer = bench.get(&format!("/tile/{level}/{path}")).await;
            assert_eq!(answer.status, 404, "{level}/{path}");
            // The tree may have it tomorrow.
            assert_eq!(answer.headers["cache-control"], "no-store", "{level}/{path}");
        }
    }
    for level in ["1", "8", "63", "64", "00", "+0", "-1", "data", "Entries"] {
        assert_eq!(bench.get(&format!("/tile/{level}/000")).await.status, 404, "{level}");
    }
}

#[tokio::test]
async fn headers_are_those_of_tlog_tiles() {
    for (trial, kept) in [(true, "no-cache"), (false, "public, max-age=31536000, immutable")] {
        let bench = bench(trial);
        for (path, media_type, caching) in [
            ("/checkpoint", "text/plain; charset=utf-8", "no-cache"),
            ("/tile/0/000", "application/octet-stream", kept),
            ("/tile/0/001.p/44", "application/octet-stream", kept),
            ("/tile/entries/000", "application/octet-stream", kept),
            ("/tile/entries/001.p/44", "application/octet-stream", kept),
        ] {
            let get = bench.get(path).await;
            assert_eq!(get.headers["content-type"], media_type, "{path}");
            assert_eq!(get.headers["cache-control"], caching, "{path}");
            let head = bench.send(Method::HEAD, path).await.unwrap();
            assert_eq!(head.headers["content-length"], get.body.len().to_string(), "{path}");
            assert!(head.body.is_empty() && head.status == 200, "{path}");
        }
    }
}

#[tokio::test]
async fn entries_travel_as_gzip_to_who_takes_it() {
    let bench = bench(true);
    let path = "/tile/entries/000";
    let packed = bench.send_with(Method::GET, path, &[GZIP]).await.unwrap();
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, bundle(0, 256));
    assert!(packed.body.len() < bytes.len() / 2);
    let head = bench.send_with(Method::HEAD, path, &[GZIP]).await.unwrap();
    assert_eq!(head.headers["content-length"], packed.body.len().to_string());
    for headers in [&[][..], &[("accept-encoding", "br, gzip;q=0")]] {
        let plain = bench.send_with(Method::GET, path, headers).await.unwrap();
        assert!(!plain.headers.contains_key("content-encoding"));
        assert_eq!((plain.headers["vary"].as_bytes(), plain.body), (&b"accept-encoding"[..], bundle(0, 256)));
    }
    // Hashes do not get shorter.
    let tile = bench.send_with(Method::GET, "/tile/0/000", &[GZIP]).await.unwrap();
    assert!(!tile.headers.contains_key("content-encoding"));
    assert_eq!(bench.send_with(Method::GET, "/tile/entries/002", &[GZIP]).await.unwrap().status, 404);
}

#[tokio::test]
async fn an_empty_log_has_a_signed_checkpoint() {
    let bench = Bench::new();
    bench.log.anomalies.lock().unwrap().clear();
    let note = String::from_utf8(bench.get("/checkpoint").await.body).unwrap();
    let key = LogSigner::new("test.local/log".parse().unwrap(), &[7; 32]).log_key();
    let checkpoint = key.verify(&note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (0, EMPTY_ROOT));
    assert_eq!(bench.get("/tile/0/000.p/1").await.status, 404);
}
