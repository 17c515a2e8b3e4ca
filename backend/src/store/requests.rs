//! Requests that may come again: the keys that callers gave them.

use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::pool::Reader;
use crate::domain::{
    Micros,
    ports::{KeyedRequest, Requests, StoreError, Use},
};

/// How long a key is remembered.
const REMEMBERED_US: i64 = 24 * 3_600 * 1_000_000;

/// Keys of one caller at most: more than one a second through a whole day. A row takes about 150 bytes with its indexes, so
/// a caller takes at most 15 MB.
const MOST: u64 = 100_000;

/// Forgotten with each new key at most, so that none waits long: twice what one adds would do.
const FORGOTTEN: i64 = 100;

impl Requests for Reader {
    fn first_use(&self, request: &KeyedRequest) -> Result<Use, StoreError> {
        self.first_use_of(request, MOST)
    }
}

impl Reader {
    fn first_use_of(&self, request: &KeyedRequest, most: u64) -> Result<Use, StoreError> {
        let KeyedRequest { caller, key, digest, arrived, now } = request;
        let expired = Micros::from(*now).0 - REMEMBERED_US;
        let mut connection = self.anchors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT digest, arrived_us FROM keyed_request WHERE caller = ?1 AND key = ?2 AND arrived_us >= ?3";
        let known = transaction
            .prepare_cached(sql)?
            .query_row(params![caller, key, expired], |row| Ok((row.get::<_, Vec<u8>>(0)?, Micros(row.get(1)?))))
            .optional()?;
        if let Some((body, first)) = known {
            return Ok(if body == digest.0 { Use::Again(first) } else { Use::OtherBody });
        }
        let sql = "DELETE FROM keyed_request WHERE (caller, key) IN
                   (SELECT caller, key FROM keyed_request WHERE arrived_us < ?1 ORDER BY arrived_us LIMIT ?2)";
        transaction.prepare_cached(sql)?.execute(params![expired, FORGOTTEN])?;
        // Numbered by caller without gaps but at the beginning: their number is known without counting.
        let sql = "SELECT min(number), max(number) FROM
                   (SELECT * FROM (SELECT number FROM keyed_request WHERE caller = ?1 ORDER BY number LIMIT 1)
                    UNION ALL SELECT * FROM (SELECT number FROM keyed_request WHERE caller = ?1 ORDER BY number DESC LIMIT 1))";
        let (first, last): (Option<i64>, Option<i64>) =
            transaction.prepare_cached(sql)?.query_row([caller], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (first, next) = (first.unwrap_or(0), last.map_or(0, |last| last + 1));
        if (next - first) as u64 >= most {
            return Ok(Use::TooMany(most));
        }
        let sql =
            "INSERT OR REPLACE INTO keyed_request (caller, key, number, digest, arrived_us) VALUES (?, ?, ?, ?, ?)";
        transaction.prepare_cached(sql)?.execute(params![caller, key, next, digest.0.as_slice(), arrived.0])?;
        transaction.commit()?;
        Ok(Use::First)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ledger::hash::sha256;

    use super::*;
    use crate::{domain::Millis, store::create};

    const DAY_MS: i64 = 24 * 3_600 * 1_000;

    fn request(caller: &str, key: &str, body: &str, now_ms: i64) -> KeyedRequest {
        let now = Millis(now_ms);
        KeyedRequest {
            caller: caller.into(),
            key: key.into(),
            digest: sha256(&[body.as_bytes()]),
            arrived: now.into(),
            now,
        }
    }

    #[test]
    fn a_key_is_known_for_a_day_to_its_caller_and_with_its_body() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path()).unwrap();
        let store = Reader::open(dir.path()).unwrap();
        let ask = |caller, key, body, now| store.first_use(&request(caller, key, body, now)).unwrap();
        assert_eq!(ask("device a", "k", "body", 1_000), Use::First);
        assert_eq!(ask("device a", "k", "body", 2_000), Use::Again(Micros(1_000_000)));
        assert_eq!(ask("device a", "k", "other", 2_000), Use::OtherBody);
        assert_eq!(ask("device b", "k", "other", 2_000), Use::First);
        assert_eq!(ask("device a", "l", "body", 3_000), Use::First);
        drop(store);
        let store = Reader::open(dir.path()).unwrap();
        let ask = |caller, key, body, now| store.first_use(&request(caller, key, body, now)).unwrap();
        assert_eq!(ask("device a", "k", "body", 1_000 + DAY_MS), Use::Again(Micros(1_000_000)));
        assert_eq!(ask("device a", "k", "other", 1_001 + DAY_MS), Use::First);
        assert_eq!(ask("device a", "k", "other", 2 * DAY_MS), Use::Again(Micros((1_001 + DAY_MS) * 1_000)));
    }

    #[test]
    fn a_caller_has_so_many_keys_and_old_ones_make_room() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path()).unwrap();
        let store = Reader::open(dir.path()).unwrap();
        let ask = |key: &str, now| store.first_use_of(&request("device a", key, "", now), 3).unwrap();
        for (at, key) in ["a", "b", "c"].iter().enumerate() {
            assert_eq!(ask(key, at as i64), Use::First);
        }
        assert_eq!(ask("d", 3), Use::TooMany(3));
        assert_eq!(ask("a", 3), Use::Again(Micros(0)));
        assert_eq!(store.first_use_of(&request("device b", "d", "", 3), 3).unwrap(), Use::First);
        assert_eq!(ask("d", DAY_MS + 1), Use::First);
        assert_eq!(ask("e", DAY_MS + 1), Use::TooMany(3));
    }
}
