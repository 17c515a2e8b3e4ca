//! docs/permissions.md is what the tables say. `UPDATE_DOCS=1 cargo test -p anomaly-ledger permissions_are_documented`
//! writes it anew.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use super::routes::ROUTES;
use crate::domain::access::{Action, Caller, Reach, Role, Scope};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/permissions.md");

const HEAD: &str = "\
# Permissions

<!-- Written by `UPDATE_DOCS=1 cargo test -p anomaly-ledger permissions_are_documented`. Do not edit. -->

Every way in asks one table who may do what. It is in `backend/src/domain/access.rs`; the actions of the routes are in \
`backend/src/access/routes.rs`. A route that is not there is served to nobody. A test walks every route with every kind of \
caller and compares what it gets with these tables.

*own* means: of devices that the user owns, of the device itself, or of one's own account. Somebody who has several roles \
may do what any of them may.

## Roles and actions

";

const MIDDLE: &str = "
- A trial (`serve --trial`) lets callers of this machine in who show nothing, and they may do everything but what needs an \
account of one's own. A key that does not hold is refused in a trial as well.
- A token does what its maker may do, as far as its scope goes. No token manages users, invitations, tokens or the own account.
- A device of the type `network-probe` sends flows (`POST /api/v1/flows`) of every registered device, since it sees the \
traffic of others; of readings it sends its own alone. So only an admin registers a probe, or makes a device one.
- A signature is asked for where a device has a public key; flows of it are the probe's word and bear none.
- Who signs in with a password that was given to them may change it, and until then nothing else.
- An entry of the log, its proofs and its place are everybody's. Its payload, the salt, the detector's state and what people \
said of it are for those who may *read_findings* of that device. Others see the entry with these fields empty.

## Routes

| method | path | action |
|---|---|---|
";

fn reach(reach: Option<Reach>) -> &'static str {
    match reach {
        None => "–",
        Some(Reach::Own) => "own",
        Some(Reach::All) => "all",
    }
}

fn means(action: Action) -> &'static str {
    match action {
        Action::Open => "the pages, the interface's description, signing in, how the service is",
        Action::ReadLog => "entries, tiles, checkpoints, proofs, trust roots, anomalies without their payload",
        Action::ReadFindings => "payloads, evidence with them, the detector's states",
        Action::ReadReadings => "readings, and what is computed from them",
        Action::ReadModels => "models and their training samples",
        Action::Send => "send readings as a device",
        Action::Judge => "say whether a finding was right",
        Action::ReadDevices => "the registry's records of devices",
        Action::ManageDevices => "register, change and remove devices; make and revoke their keys",
        Action::ManageTypes => "types of devices; which network belongs to which device",
        Action::OwnAccount => "one's own password, sessions and tokens",
        Action::ManageUsers => "users, their roles, invitations",
        Action::ReadAudit => "the audit log",
        Action::ReadMetrics => "figures for the service's operators",
    }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    let roles: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
    writeln!(text, "| action | what | nobody | {} | device | token's scope |", roles.join(" | ")).unwrap();
    writeln!(text, "|---|---|---|{}---|---|", "---|".repeat(roles.len())).unwrap();
    let device = Caller::Device(crate::domain::DeviceName::new("a").unwrap());
    for action in Action::ALL {
        let roles: Vec<_> = Role::ALL.iter().map(|role| reach(role.may(action))).collect();
        let everybody = Caller::Nobody.may(action).is_some();
        let scope = match action.scope().map(Scope::name) {
            _ if everybody => "any",
            Some(scope) => scope,
            None => "none",
        };
        let (nobody, device) = (reach(Caller::Nobody.may(action)), reach(device.may(action)));
        let cells = [action.name(), means(action), nobody, &roles.join(" | "), device, scope];
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    }
    text.push_str(MIDDLE);
    for (method, path, action) in ROUTES {
        writeln!(text, "| {method} | `{path}` | {} |", action.name()).unwrap();
    }
    text
}

#[test]
fn permissions_are_documented() {
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap();
    assert!(found == text, "docs/permissions.md is not what the tables say: see the first lines of {}", file!());
}
