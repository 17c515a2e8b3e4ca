//! Signatures over readings, by the keys that are registered for the devices (docs/spec/signed-reading.md).
//!
//! Knows no sequence numbers: that a signed reading was not sent before is the detector's matter, which sees a device's
//! readings in their order.

use api::Code;
use tokio::sync::Semaphore;

use crate::{access::Devices, domain::Reading, problem::Fault};

/// Batches whose signatures are checked at one time; the others wait. A check was measured at 170 µs in a development build
/// on a busy machine, a batch of 10,000 so takes up to two seconds: detection needs a core as well.
const MAX_CHECKS: usize = 2;

static CHECKS: Semaphore = Semaphore::const_new(MAX_CHECKS);

/// Passes on, in their order, the readings that are signed as they have to be: by a device that has a key, and by no
/// other. Of those that are not, it says so in the free places of `refused`, one for each reading.
///
/// # Errors
/// If the check itself ended by a fault: then nothing is known of any.
pub(super) async fn check(
    devices: &Devices,
    readings: Vec<Reading>,
    refused: &mut [Option<Fault>],
) -> Result<Vec<Reading>, Fault> {
    let keys: Vec<Option<[u8; 32]>> = readings.iter().map(|reading| devices.public_key(reading.device())).collect();
    if keys.iter().all(Option::is_none) && readings.iter().all(|reading| reading.signature().is_none()) {
        return Ok(readings);
    }
    // Never closed.
    let _permit = CHECKS.acquire().await;
    let checks = move || readings.into_iter().zip(keys).map(|(reading, key)| checked(reading, key)).collect::<Vec<_>>();
    let results = tokio::task::spawn_blocking(checks).await.map_err(|error| {
        tracing::error!(%error, "a check of signatures ended by a fault");
        Fault::new(Code::Internal, "a fault of the service")
    })?;
    let mut passed = Vec::with_capacity(results.len());
    for (place, result) in refused.iter_mut().filter(|place| place.is_none()).zip(results) {
        match result {
            Ok(reading) => passed.push(reading),
            Err(fault) => *place = Some(fault),
        }
    }
    Ok(passed)
}

/// The reading, if it is signed exactly where its device has a key, and by that one.
fn checked(mut reading: Reading, key: Option<[u8; 32]>) -> Result<Reading, Fault> {
    let device = reading.device();
    let fault = |why: String| Err(Fault::new(Code::InvalidSignature, why));
    match (key, reading.signature()) {
        (None, None) => Ok(reading),
        (Some(_), None) => fault(format!("{device} has a registered key: its readings must bear a signature by it")),
        (None, Some(_)) => fault(format!(
            "no key is registered for {device}, so its signature cannot be checked: register one, or leave it out"
        )),
        (Some(key), Some(_)) => match reading.check_signature(&key) {
            Ok(()) => Ok(reading),
            Err(error) => fault(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ledger::signed::DeviceSigner;

    use super::*;
    use crate::domain::{DeviceName, Micros};

    fn reading(sequence: u64) -> Reading {
        let (device, time) = (DeviceName::new("d").unwrap(), crate::domain::Millis(1_763_625_600_000));
        Reading::new(device, Some(Micros::from(time)), Some(sequence), vec![("t".into(), 1.0)], time).unwrap()
    }

    #[test]
    fn who_has_a_key_must_sign_by_it_and_who_has_none_cannot() {
        let signer = DeviceSigner::new(&[1; 32]);
        let signed = |of: u64, by: &DeviceSigner| {
            let signature = by.sign(&reading(of).message().unwrap()).signature.0;
            reading(1).with_signature(signature).unwrap()
        };
        assert_eq!(checked(reading(1), None).unwrap().signed(), None);
        assert_eq!(checked(signed(1, &signer), Some(signer.key())).unwrap().signed().unwrap().key.0, signer.key());
        for (reading, key, why) in [
            (reading(1), Some(signer.key()), "must bear a signature"),
            (signed(1, &signer), None, "no key is registered"),
            (signed(2, &signer), Some(signer.key()), "is not by the key"),
            (signed(1, &DeviceSigner::new(&[2; 32])), Some(signer.key()), "is not by the key"),
            (signed(1, &signer), Some([0; 32]), "small order"),
        ] {
            let problem = checked(reading, key).unwrap_err().problem();
            assert_eq!((problem.code, problem.status), (Code::InvalidSignature, 422));
            assert!(problem.detail.contains(why), "{}", problem.detail);
        }
    }
}
