//! The file with which the service subscribes to an existing MQTT broker. Secrets stay in the environment.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::Deserialize;

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// Not JSON, or not these members.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// A value that cannot be one.
    #[error("{member}: expected {expected}, found {found:?}")]
    Value {
        /// The member.
        member: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A variable that the file names.
    #[error("{member}: the environment variable {name} is not set")]
    Environment {
        /// The member.
        member: &'static str,
        /// The variable.
        name: String,
    },
}

/// A broker to subscribe to, checked.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<BrokerTls>,
    /// The name under which the broker keeps what is not acknowledged yet.
    pub(crate) client_id: String,
    pub(crate) user: Option<Secret>,
    pub(crate) password: Option<Secret>,
    /// Whose devices send here: a person's token with the scope `send`. In a trial it is not needed.
    pub(crate) token: Option<Secret>,
    pub(crate) keep_alive: Duration,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// Whom to trust, and what to show.
#[derive(Debug, Clone)]
pub(crate) struct BrokerTls {
    /// The authorities; the system's, without it.
    pub(crate) ca_file: Option<PathBuf>,
    /// A certificate to show, and its key.
    pub(crate) shown: Option<(PathBuf, PathBuf)>,
}

/// A text that is not printed.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Topics, and how their messages become readings.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// The filter.
    pub(crate) topic: String,
    /// The device's name.
    pub(crate) device: Template,
    /// What is measured.
    pub(crate) values: Values,
    /// The member with the time; without it, readings have the time of their arrival.
    pub(crate) time: Option<TimeMember>,
}

/// Where values stand in a message.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// The message is a number, of this metric.
    Number(String),
    /// All members that are numbers.
    All,
    /// These members.
    Members(Vec<String>),
}

/// Where the time stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeMember {
    pub(crate) member: String,
    pub(crate) unit: TimeUnit,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeUnit {
    /// Text by RFC 3339.
    Rfc3339,
    /// A number of seconds since 1970, with or without a fraction.
    Seconds,
    /// A whole number of milliseconds since 1970.
    Milliseconds,
}

/// A text with places for levels of the topic, `{2}`, and members of the message, `{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

/// A part of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands.
    Text(String),
    /// A level of the topic, counted from 1.
    Level(usize),
    /// A member of the message.
    Member(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    broker: String,
    client_id: String,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    certificate_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
    #[serde(default)]
    user_env: Option<String>,
    #[serde(default)]
    password_env: Option<String>,
    #[serde(default)]
    token_env: Option<String>,
    #[serde(default = "half_a_minute")]
    keep_alive_seconds: u16,
    subscriptions: Vec<Topic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    topic: String,
    device: String,
    #[serde(default)]
    number: Option<String>,
    #[serde(default)]
    members: Option<Vec<String>>,
    #[serde(default)]
    time: Option<TimeMember>,
}

fn half_a_minute() -> u16 {
    30
}

impl Broker {
    /// Reads the file's text; `environment` gives its variables.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, BrokerError> {
        let file: File = serde_json::from_slice(text)?;
        let (secure, host, port) = place(&file.broker)?;
        let variable = |member, name: Option<String>| {
            name.map(|name| match environment(&name) {
                Some(value) => Ok(Secret(value.trim().to_owned())),
                None => Err(BrokerError::Environment { member, name }),
            })
            .transpose()
        };
        let tls_files = file.ca_file.is_some() || file.certificate_file.is_some() || file.key_file.is_some();
        check("broker", "mqtts:// where files for TLS are named", &file.broker, secure || !tls_files)?;
        let shown = match (file.certificate_file, file.key_file) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(wrong("certificate_file", "both certificate_file and key_file, or none", "one")),
        };
        let named = (1..=256).contains(&file.client_id.len());
        check("client_id", "1 to 256 bytes: the broker keeps messages under this name", &file.client_id, named)?;
        let often = file.keep_alive_seconds.to_string();
        check("keep_alive_seconds", "5 to 1200", &often, (5..=1_200).contains(&file.keep_alive_seconds))?;
        check("subscriptions", "at least one", "none", !file.subscriptions.is_empty())?;
        Ok(Self {
            host,
            port,
            tls: secure.then_some(BrokerTls { ca_file: file.ca_file, shown }),
            client_id: file.client_id,
            user: variable("user_env", file.user_env)?,
            password: variable("password_env", file.password_env)?,
            token: variable("token_env", file.token_env)?,
            keep_alive: Duration::from_secs(file.keep_alive_seconds.into()),
            subscriptions: file.subscriptions.into_iter().map(subscription).collect::<Result<_, _>>()?,
        })
    }
}

fn wrong(member: &'static str, expected: &'static str, found: &str) -> BrokerError {
    BrokerError::Value { member, expected, found: found.to_owned() }
}

fn check(member: &'static str, expected: &'static str, found: &str, holds: bool) -> Result<(), BrokerError> {
    if holds { Ok(()) } else { Err(wrong(member, expected, found)) }
}

/// Whether by TLS, and the broker's host and port.
fn place(text: &str) -> Result<(bool, String, u16), BrokerError> {
    let refuse = || wrong("broker", "an address such as mqtt://localhost:1883 or mqtts://broker.example", text);
    let url: reqwest::Url = text.parse().map_err(|_| refuse())?;
    let (secure, port) = match url.scheme() {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return Err(refuse()),
    };
    // Secrets do not stand in files.
    let bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
    let host = url.host_str().filter(|_| bare).ok_or_else(refuse)?;
    Ok((secure, host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(port)))
}

fn subscription(topic: Topic) -> Result<Subscription, BrokerError> {
    let levels: Vec<&str> = topic.topic.split('/').collect();
    let last = levels.len() - 1;
    let level = |(at, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => at == last,
        level => !level.contains(['+', '#', '\0']),
    };
    let fine = !topic.topic.is_empty() && topic.topic.len() <= 1_024 && levels.iter().enumerate().all(level);
    check("topic", "a filter such as factory/+/+/data", &topic.topic, fine)?;
    let device: Template = topic.device.parse()?;
    let deep = levels.last() == Some(&"#");
    let there = |piece: &Piece| !matches!(piece, Piece::Level(level) if *level > levels.len() && !deep);
    check("device", "levels that the topic has", &topic.device, device.0.iter().all(there))?;
    let values = match (topic.number, topic.members) {
        (Some(_), Some(_)) => return Err(wrong("number", "number or members, not both", "both")),
        (Some(metric), None) => {
            let known = device.0.iter().all(|piece| !matches!(piece, Piece::Member(_))) && topic.time.is_none();
            check("number", "no members where the message is a number", &topic.device, known)?;
            Values::Number(metric)
        }
        (None, Some(members)) => {
            check("members", "at least one", "none", !members.is_empty())?;
            Values::Members(members)
        }
        (None, None) => Values::All,
    };
    Ok(Subscription { topic: topic.topic, device, values, time: topic.time })
}

impl FromStr for Template {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let refuse = || wrong("device", "a name with places such as {2} or {id}", text);
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, behind) = after.split_once('}').ok_or_else(refuse)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match inside.parse() {
                Ok(0) => return Err(refuse()),
                Ok(level) => Piece::Level(level),
                Err(_) if inside.is_empty() || inside.contains('{') => return Err(refuse()),
                Err(_) => Piece::Member(inside.to_owned()),
            });
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() || rest.contains('}') { Err(refuse()) } else { Ok(Self(pieces)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Broker, String> {
        Broker::parse(text.as_bytes(), |name| (name == "SET").then(|| "secret\n".to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn the_documented_file_is_one() {
        let text = include_bytes!("../../../docs/mqtt-broker.json");
        let broker = Broker::parse(text, |name| Some(format!("value of {name}"))).unwrap();
        assert_eq!((broker.host.as_str(), broker.port, broker.subscriptions.len()), ("broker.example", 8883, 3));
        assert!(broker.tls.is_some());
        assert!(!format!("{broker:?}").contains("value of"), "secrets are not printed");
    }

    #[test]
    fn refuses_with_a_reason() {
        let with = |members: &str| {
            let topic = r#"{"topic":"factory/+/data","device":"{2}"}"#;
            format!(r#"{{"broker":"mqtt://h","client_id":"c","subscriptions":[{topic}]{members}}}"#)
        };
        let of = |topic: &str| format!(r#"{{"broker":"mqtt://h","client_id":"c","subscriptions":[{topic}]}}"#);
        assert!(parse(&with("")).is_ok());
        assert_eq!(parse(&with(r#","password_env":"SET""#)).unwrap().password.unwrap().0, "secret");
        for (text, reason) in [
            ("{", "EOF"),
            (&with(r#","pasword_env":"SET""#), "unknown field"),
            (&with(r#","password_env":"UNSET""#), "UNSET is not set"),
            (&with(r#","ca_file":"ca.pem""#), "mqtts://"),
            (&with(r#","keep_alive_seconds":1"#), "5 to 1200"),
            (&with("").replace("mqtt://h", "http://h"), "mqtt://localhost"),
            (&with("").replace("mqtt://h", "mqtt://u:p@h"), "mqtt://localhost"),
            (&with("").replace(r#""c""#, r#""""#), "client_id"),
            (&of(""), "at least one"),
            (&of(r#"{"topic":"a/#/b","device":"d"}"#), "filter"),
            (&of(r#"{"topic":"a+","device":"d"}"#), "filter"),
            (&of(r#"{"topic":"a/+","device":"{3}"}"#), "levels"),
            (&of(r#"{"topic":"a/+","device":"{0}"}"#), "places"),
            (&of(r#"{"topic":"a/+","device":"{2"}"#), "places"),
            (&of(r#"{"topic":"a/+","device":"2}"}"#), "places"),
            (&of(r#"{"topic":"a/+","device":""}"#), "places"),
            (&of(r#"{"topic":"a/+","device":"{2}","members":[]}"#), "at least one"),
            (&of(r#"{"topic":"a/+","device":"{2}","members":["t"],"number":"t"}"#), "not both"),
            (&of(r#"{"topic":"a/+","device":"{id}","number":"t"}"#), "no members"),
            (&of(r#"{"topic":"a","device":"d","time":{"member":"t","unit":"fortnights"}}"#), "fortnights"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_template_has_texts_levels_and_members() {
        let template: Template = "hall-{2}/{id}".parse().unwrap();
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(template.0, [text("hall-"), Piece::Level(2), text("/"), Piece::Member("id".into())]);
    }
}
