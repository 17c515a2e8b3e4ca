//! tests/vectors/signed: readings that a device has signed, and what is nearly one; and what a service that holds the
//! log's key cannot do to a signed reading.

use ledger::{
    checkpoint::LogSigner,
    entry::{Anomaly, Entry, Payload, commitment},
    evidence::{Bundle, Disclosure},
    hash::leaf_hash,
    signed::{Signed, message},
    text::{Decimal, Time},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Verdict, examine},
};
use serde_json::Value;

use crate::{real::real, same, vectors};

/// Every message is made as the file says; the signatures under `accept` hold, and those under `reject` do not.
pub(crate) fn readings() -> Result<usize, String> {
    let files = vectors("signed/readings.json")?;
    let file = &files.first().ok_or("no signed/readings.json")?.1;
    let accept = file["accept"].as_array().ok_or("no accept")?;
    for case in accept {
        holds(case)?.map_err(|error| format!("{}: {error}", case["message"]))?;
    }
    let reject = file["reject"].as_object().ok_or("no reject")?;
    for (what, case) in reject {
        if holds(case).map_err(|error| format!("{what}: {error}"))?.is_ok() {
            return Err(format!("{what}: was taken for a signature"));
        }
    }
    Ok(accept.len() + reject.len())
}

/// Whether a case's signature holds; an error where its message is not made as it says.
fn holds(case: &Value) -> Result<Result<(), String>, String> {
    let reading = &case["reading"];
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("no text: {value}"));
    let metrics = reading["metrics"].as_array().ok_or("no metrics")?;
    let values: Vec<(String, Decimal)> = metrics
        .iter()
        .map(|each| Ok((text(&each["metric"])?, text(&each["value"])?.parse().map_err(|error| format!("{error}"))?)))
        .collect::<Result<_, String>>()?;
    let time: Time = text(&reading["time"])?.parse().map_err(|error| format!("{error}"))?;
    let pairs = values.iter().map(|(metric, value)| (metric.as_str(), value));
    let made = message(&text(&reading["device"])?, reading["sequence"].as_u64(), &time, pairs);
    let made = made.map_err(|error| error.to_string())?;
    same("message", String::from_utf8_lossy(&made).into_owned(), text(&case["message"])?)?;
    let signed: Signed =
        serde_json::from_value(serde_json::json!({ "key": case["key"], "signature": case["signature"] }))
            .map_err(|error| error.to_string())?;
    Ok(signed.verify(&made).map_err(|error| error.to_string()))
}

/// Every byte of a signed payload changed in turn, by somebody who may sign the log: what still can be read has a
/// signature that fails, unless what was changed is not the device's.
pub(crate) fn bytes() -> Result<usize, String> {
    let files = vectors("signed/payload.json")?;
    let file = &files.first().ok_or("no signed/payload.json")?.1;
    let text = |name: &str| file[name].as_str().ok_or_else(|| format!("no {name}"));
    let honest = text("payload")?.as_bytes();
    let Ok(Entry::Anomaly(entry)) = Entry::from_bytes(text("entry")?.as_bytes()) else {
        return Err("no anomaly".into());
    };
    let service = Service { trust: real("final.json")?.trust, entry };
    same("before", service.examined(honest)?, (Verdict::Unchecked, Some(Outcome::Holds)))?;
    let read = Payload::from_bytes(honest).map_err(|error| error.to_string())?;
    let mut held = 0;
    for at in 0..honest.len() {
        for bit in 0..8 {
            let mut changed = honest.to_vec();
            changed[at] ^= 1 << bit;
            let Ok(payload) = Payload::from_bytes(&changed) else { continue };
            let of_device = of_device(&payload) != of_device(&read);
            let expected = if of_device { Outcome::Fails } else { Outcome::Holds };
            let (verdict, step) = service.examined(&changed)?;
            same(&format!("bit {bit} of byte {at}"), step, Some(expected))?;
            if of_device {
                same("verdict", verdict, Verdict::Invalid)?;
            }
            held += 1;
        }
    }
    if held < 500 { Err(format!("only {held} changes could be read")) } else { Ok(held) }
}

/// What the device has signed, with the signature.
type OfDevice<'a> = (&'a str, Option<u64>, &'a Time, Vec<(&'a str, &'a Decimal)>, Option<Signed>);

fn of_device(payload: &Payload) -> OfDevice<'_> {
    let values = payload.values.iter().map(|value| (value.metric.as_str(), &value.value)).collect();
    (&payload.device, payload.sequence, &payload.time, values, payload.signed)
}

/// A service that records what it likes.
struct Service {
    trust: TrustRoots,
    entry: Anomaly,
}

impl Service {
    /// The verdict on an entry that commits to this payload, alone in a log; and how the step ended.
    fn examined(&self, payload: &[u8]) -> Result<(Verdict, Option<Outcome>), String> {
        let (salt, signer) = ([7; 32], LogSigner::new(self.trust.log_key.origin().clone(), &[1; 32]));
        let read = Payload::from_bytes(payload).map_err(|error| error.to_string())?;
        let entry = Anomaly::new(
            read.entry.clone(),
            Entry::Anomaly(self.entry.clone()).recorded().clone(),
            commitment(&salt, payload),
            self.entry.device.clone(),
            read.model,
            read.time,
            read.severity,
        );
        let entry = Entry::Anomaly(entry).to_bytes().map_err(|error| error.to_string())?;
        let bundle = Bundle {
            disclosure: Some(Disclosure { payload: payload.to_vec(), salt }),
            state: None,
            index: 0,
            proof: Vec::new(),
            checkpoint: signer.sign(1, leaf_hash(&entry)),
            keys: Vec::new(),
            beacon: None,
            anchor: None,
            entry,
        };
        let trust = TrustRoots { log_key: signer.log_key(), ..self.trust.clone() };
        let report = examine(&Case::new(&bundle, &trust, ChainAnswer::NotAsked));
        let step = report.steps.iter().find(|step| step.name == "device signature");
        Ok((report.verdict, step.map(|step| step.outcome)))
    }
}
