//! docs/examples are what the service answers.

use e2e::{Trial, examples, paths};

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_request_is_answered_as_documented() {
    let dir = paths::repo().join("docs/examples");
    let read = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<_> = read.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // By name: an example may build on what an earlier one has sent.
    files.sort();
    assert!(!files.is_empty(), "no examples in {}", dir.display());

    let trial = Trial::start().await;
    let mut differences = Vec::new();
    for file in &files {
        differences.extend(examples::replay(file, &trial.url()).await);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{} files of examples hold", files.len());
}
