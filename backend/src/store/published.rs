//! Which entries' payloads may have been published, as far as the settings tell: what is on the chain stays there,
//! and whoever erases has to be told.

use super::pool::Reader;
use crate::domain::ports::{AnchorStore, LogReader, StoreError};

/// The setting: `all`, or the size of the log when a service that does not publish was started.
const SETTING: &str = "payloads_published_below";
const ALL: &str = "all";

impl Reader {
    /// Keeps, at a start, whether this service publishes payloads. On disk when this returns.
    pub(crate) fn note_publishing(&self, publishes: bool) -> Result<(), StoreError> {
        if publishes {
            return self.put_setting(SETTING, ALL);
        }
        // What the last service published lies below the size that the log has now.
        let below = match self.may_be_published_below()? {
            u64::MAX => self.newest_checkpoint()?.map_or(0, |newest| newest.size),
            below => below,
        };
        self.put_setting(SETTING, &below.to_string())
    }

    /// Payloads of entries below this index may have been published; `u64::MAX` while any may be.
    pub(crate) fn may_be_published_below(&self) -> Result<u64, StoreError> {
        Ok(match self.setting(SETTING)? {
            Some(text) => text.parse().unwrap_or(u64::MAX),
            // Never started since this is kept: only what was never anchored was surely not published.
            None if self.anchored_sizes()?.0 == 0 && self.open_anchors()?.is_empty() => 0,
            None => u64::MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::SqliteWriter;

    #[test]
    fn what_was_published_once_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteWriter::create(dir.path()).unwrap());
        let reader = Reader::open(dir.path()).unwrap();
        assert_eq!(reader.may_be_published_below().unwrap(), 0);
        reader.note_publishing(true).unwrap();
        assert_eq!(reader.may_be_published_below().unwrap(), u64::MAX);
        reader.note_publishing(false).unwrap();
        assert_eq!(reader.may_be_published_below().unwrap(), 0, "the log is empty");
        reader.put_setting(SETTING, "17").unwrap();
        reader.note_publishing(false).unwrap();
        assert_eq!(reader.may_be_published_below().unwrap(), 17);
    }
}
