//! What the command line promises as a whole: examples, exit codes, refusals.

#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::*;

/// The commands that do something, each with its name in full.
fn leaves(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
    if !command.has_subcommands() {
        found.push((name.to_owned(), command.clone()));
    }
    command.get_subcommands().for_each(|inner| leaves(inner, &format!("{name} {}", inner.get_name()), found));
}

#[test]
fn every_help_has_an_example_that_parses_and_the_exit_codes() {
    Cli::command().debug_assert();
    let mut found = Vec::new();
    leaves(&Cli::command(), "anomaly-ledger", &mut found);
    assert!(found.len() >= 7, "{found:?}");
    for (name, command) in found {
        let help = command.get_after_help().unwrap_or_else(|| panic!("{name} has no after_help")).to_string();
        assert!(help.contains("Exit codes: 0"), "{name}: {help}");
        let joined = help.replace("\\\n", " ");
        let examples: Vec<&str> = joined.lines().filter(|line| line.contains(&name)).collect();
        assert!(help.starts_with("Example") && !examples.is_empty(), "{name}: {help}");
        for example in examples {
            let words = example.split_whitespace().skip_while(|word| *word != "anomaly-ledger");
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}

#[test]
fn what_clap_can_refuse_it_refuses() {
    let contract = ["--contract", "0x5FbDB2315678afecb367f032d93F642f64180aa3"];
    let serve = |more: &[&str]| Cli::try_parse_from(["anomaly-ledger", "serve"].iter().chain(&contract).chain(more));
    serve(&["--confirmations", "1"]).unwrap();
    assert!(serve(&["--confirmations", "0"]).is_err());
    assert!(serve(&["--rpc-url", "127.0.0.1:8545"]).is_err());
    let verify = ["anomaly-ledger", "verify", "b.json", "--trust", "t.json", "--rpc-url", "http://127.0.0.1:8545"];
    let verify = |more: &[&str]| Cli::try_parse_from(verify.iter().chain(more));
    verify(&["--confirmations", "1"]).unwrap();
    assert!(verify(&["--confirmations", "0"]).is_err());
    assert!(verify(&["--offline"]).is_err());
    assert!(verify(&["--block-hash", &format!("0x{:064}", 7)]).is_err());
    let offline = |more: &[&str]| {
        let verify = ["anomaly-ledger", "verify", "b.json", "--trust", "t.json", "--offline"];
        Cli::try_parse_from(verify.iter().chain(more))
    };
    offline(&["--seen", "c.txt", "--save-proof", "p.json"]).unwrap();
    offline(&["--block-hash", &format!("0x{:064}", 7), "--final"]).unwrap();
    assert!(offline(&["--final"]).is_err());
    assert!(offline(&["--confirmations", "1"]).is_err());
    assert!(Cli::try_parse_from(["anomaly-ledger", "simulate", "--devices", "0"]).is_err());
    assert!(Cli::try_parse_from(["anomaly-ledger", "simulate", "--inject", "point=-1"]).is_err());
}

/// The exit code with which a command ends, and what it says.
fn ends(args: &[&str]) -> (ExitCode, String) {
    let error = match Cli::try_parse_from([&["anomaly-ledger"], args].concat()).unwrap().command {
        Command::Serve(args) => serve::run(*args),
        Command::Replay(args) => replay::run(&args),
        Command::Evidence(args) => evidence::run(args),
        Command::Verify(args) => verify::run(&args),
        _ => unreachable!("no other is tested here"),
    };
    let error = error.expect_err("it fails");
    (exit_code(&*error), error.to_string())
}

#[test]
fn wrong_use_exits_2_and_failures_exit_1() {
    let serve = ["serve", "--contract", "0x5FbDB2315678afecb367f032d93F642f64180aa3"];
    let (code, said) = ends(&serve);
    assert_eq!(code, ExitCode::from(2));
    assert!(said.contains("ANOMALY_LEDGER_ANCHORER_KEY"), "{said}");
    let (code, said) = ends(&["replay", "/nowhere/room.csv", "--time", "t", "--device", "a"]);
    assert_eq!(code, ExitCode::from(2), "{said}");
    let (code, said) = ends(&["verify", "/nowhere/bundle.json", "--trust", "/nowhere/trust.json"]);
    assert_eq!(code, ExitCode::from(2), "{said}");
    let (code, said) = ends(&["evidence", "7", "--url", "http://127.0.0.1:9"]);
    assert_eq!(code, ExitCode::FAILURE, "{said}");
}

#[test]
fn a_fault_of_the_system_is_said_in_words() {
    let missing = std::fs::read("/nowhere/at/all").unwrap_err();
    assert!(missing.to_string().ends_with("(os error 2)"), "{missing}");
    assert_eq!(in_words(&format!("x.csv: {missing}. Is it there?")), "x.csv: No such file or directory. Is it there?");
    assert_eq!(in_words("a (os error 1) b (os error 22)"), "a b");
    for other in ["", "plain", "a (os error x)", "a (os error 2"] {
        assert_eq!(in_words(other), other);
    }
}
