//! `anomaly-ledger admin user` and `admin audit`: for who has the machine, whether the service runs or not.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ledger::audit::Record;

use super::{Outcome, WrongUse};
use crate::{
    access::{PasswordText, audit_record},
    config::operator,
    domain::{
        Clock, SystemClock,
        access::{Role, Roles, UserId},
        people::{Change, Identity, NewUser, User, user_name},
        ports::AuditLog,
    },
    store::{Reader, SqlitePeople},
};

/// Users or records that are read at a time.
const CHUNK: u64 = 1_000;

/// Look after users.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user.
    #[command(after_help = "Example:\n  anomaly-ledger admin user create ada --role admin --data-dir data\n\n\
        A password that is piped in is taken; otherwise one is made, printed once, and has to be changed at the first \
        sign-in. A running service takes it over within a second or two.\n\n\
        Exit codes: 0 made, 1 it could not be, 2 wrong use.")]
    Create {
        /// The name to sign in with.
        name: String,
        /// What the user is; may be given several times.
        #[arg(long, required = true, value_name = "ROLE")]
        role: Vec<Rank>,
        #[command(flatten)]
        place: Place,
    },
    /// List users as lines of JSON.
    #[command(after_help = "Example:\n  anomaly-ledger admin user list --data-dir data\n\n\
        Exit codes: 0 printed, 1 they could not be read, 2 wrong use.")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Give a user a new password, and end all sessions.
    #[command(after_help = "Example:\n  anomaly-ledger admin user password ada --data-dir data\n\n\
        A password that is piped in is taken; otherwise one is made, printed once, and has to be changed at the next \
        sign-in.\n\nExit codes: 0 done, 1 it could not be done, 2 wrong use.")]
    Password {
        /// The user.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Change what a user is.
    #[command(
        after_help = "Example:\n  anomaly-ledger admin user roles ada --role analyst --role auditor --data-dir data\n\n\
        A running service takes it over within a second or two.\n\nExit codes: 0 done, 1 it could not be done, 2 wrong use."
    )]
    Roles {
        /// The user.
        name: String,
        /// What the user is from now on; may be given several times.
        #[arg(long, required = true, value_name = "ROLE")]
        role: Vec<Rank>,
        #[command(flatten)]
        place: Place,
    },
    /// Let a user in no more.
    #[command(after_help = "Example:\n  anomaly-ledger admin user disable ada --data-dir data\n\n\
        A running service takes it over within a second or two.\n\nExit codes: 0 done, 1 it could not be done, 2 wrong use.")]
    Disable {
        /// The user.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let a user in again.
    #[command(after_help = "Example:\n  anomaly-ledger admin user enable ada --data-dir data\n\n\
        A running service takes it over within a second or two.\n\nExit codes: 0 done, 1 it could not be done, 2 wrong use.")]
    Enable {
        /// The user.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Delete a user, with sessions and tokens.
    #[command(after_help = "Example:\n  anomaly-ledger admin user delete ada --data-dir data\n\n\
        A running service takes it over within a second or two.\n\nExit codes: 0 done, 1 it could not be done, 2 wrong use.")]
    Delete {
        /// The user.
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Read the audit log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the whole audit log, oldest first, one record a line, byte for byte as it is kept.
    #[command(after_help = "Example:\n  anomaly-ledger admin audit export --data-dir data\n\n\
        Exit codes: 0 printed, 1 it could not be read, 2 wrong use.")]
    Export {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the log lives.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Rank {
    /// Looks after users, devices and the service; reads no findings.
    Admin,
    /// Judges findings, of all devices.
    Analyst,
    /// Has devices, and sees what is theirs.
    DeviceOwner,
    /// Reads everything, changes nothing.
    Auditor,
}

pub(super) fn run(command: UserCommand) -> Outcome {
    match command {
        UserCommand::Create { name, role, place } => create(&place.data_dir, &name, &role),
        UserCommand::List { place } => list(&place.data_dir),
        UserCommand::Password { name, place } => password(&place.data_dir, &name),
        UserCommand::Roles { name, role, place } => {
            let change = Change { roles: Some(roles(&role)), ..Change::default() };
            let names: Vec<_> = roles(&role).iter().map(Role::name).collect();
            changed(&place.data_dir, &name, &change, &format!("roles {}", names.join(", ")))
        }
        UserCommand::Disable { name, place } => {
            let change = Change { active: Some(false), end_sessions: Some(None), ..Change::default() };
            changed(&place.data_dir, &name, &change, "disabled")
        }
        UserCommand::Enable { name, place } => {
            changed(&place.data_dir, &name, &Change { active: Some(true), ..Change::default() }, "enabled")
        }
        UserCommand::Delete { name, place } => {
            let people = SqlitePeople::open(&place.data_dir)?;
            let user = existing(&people, &name)?;
            people.delete_user(user.id, &record("user.delete", &user.name, "deleted, with sessions and tokens"))?;
            people.note_outside_change()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(super) fn audit(command: AuditCommand) -> Outcome {
    let AuditCommand::Export { place } = command;
    let log = Reader::open(&place.data_dir)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut from = 0;
    loop {
        let records = log.audit_from(from, CHUNK)?;
        let Some((last, _)) = records.last() else { break };
        from = last + 1;
        for (_, bytes) in records {
            out.write_all(&bytes)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn create(data_dir: &Path, name: &str, ranks: &[Rank]) -> Outcome {
    let name = user_name(name).map_err(WrongUse::new)?;
    let people = SqlitePeople::open(data_dir)?;
    let password = new_password(&name)?;
    let roles = roles(ranks);
    let names: Vec<_> = roles.iter().map(Role::name).collect();
    let user = NewUser {
        name: name.clone(),
        roles,
        password: password.hash()?,
        must_change: password.was_made(),
        created: SystemClock.now(),
    };
    let id = people.add_user(&user, None, &record("user.create", &name, &format!("made as {}", names.join(", "))))?;
    people.note_outside_change()?;
    show(id, &name, &password);
    Ok(ExitCode::SUCCESS)
}

fn password(data_dir: &Path, name: &str) -> Outcome {
    let people = SqlitePeople::open(data_dir)?;
    let user = existing(&people, name)?;
    let password = new_password(&user.name)?;
    let change = Change {
        password: Some((password.hash()?, password.was_made())),
        end_sessions: Some(None),
        ..Change::default()
    };
    people.change_user(user.id, &change, &record("user.change", &user.name, "password made anew"))?;
    people.note_outside_change()?;
    show(user.id, &user.name, &password);
    Ok(ExitCode::SUCCESS)
}

fn changed(data_dir: &Path, name: &str, change: &Change, result: &str) -> Outcome {
    let people = SqlitePeople::open(data_dir)?;
    let user = existing(&people, name)?;
    people.change_user(user.id, change, &record("user.change", &user.name, result))?;
    people.note_outside_change()?;
    Ok(ExitCode::SUCCESS)
}

fn list(data_dir: &Path) -> Outcome {
    let people = SqlitePeople::open(data_dir)?;
    let mut before = u64::MAX;
    loop {
        let users = people.users(before, CHUNK)?;
        let Some(last) = users.last() else { return Ok(ExitCode::SUCCESS) };
        before = last.id.0.unsigned_abs();
        for user in users {
            let line = serde_json::json!({
                "id": user.id.0,
                "name": user.name,
                "roles": user.roles.iter().map(Role::name).collect::<Vec<_>>(),
                "state": if user.active { "active" } else { "disabled" },
                "must_change_password": user.must_change,
                "created": user.created.to_time(),
            });
            println!("{line}");
        }
    }
}

/// The password that is piped in, or a new one.
fn new_password(name: &str) -> Result<PasswordText, Box<dyn std::error::Error>> {
    let input = std::io::stdin();
    let mut line = String::new();
    if !input.is_terminal() {
        std::io::Read::take(input.lock(), 4_096).read_line(&mut line)?;
    }
    match line.trim_end_matches(['\r', '\n']) {
        "" => Ok(PasswordText::made()?),
        given => Ok(PasswordText::given(given, name).map_err(WrongUse::new)?),
    }
}

/// One line of JSON: the user, and the password where one was made.
fn show(id: UserId, name: &str, password: &PasswordText) {
    let mut line = serde_json::json!({ "id": id.0, "name": name });
    if password.was_made() {
        line["password"] = password.text().into();
        eprintln!("The password is shown only now, and has to be changed at the first sign-in.");
    }
    println!("{line}");
}

fn existing(people: &SqlitePeople, name: &str) -> Result<User, Box<dyn std::error::Error>> {
    let name = user_name(name).map_err(WrongUse::new)?;
    let found = people.by_name(&name)?;
    Ok(found.map(|(user, _)| user).ok_or_else(|| format!("there is no user {name}"))?)
}

fn roles(ranks: &[Rank]) -> Roles {
    Roles::of(ranks.iter().map(|rank| match rank {
        Rank::Admin => Role::Admin,
        Rank::Analyst => Role::Analyst,
        Rank::DeviceOwner => Role::DeviceOwner,
        Rank::Auditor => Role::Auditor,
    }))
}

fn record(what: &str, object: &str, result: &str) -> Record {
    audit_record(SystemClock.now(), operator(), "the command line".into(), what, object, result)
}
