//! Power cuts: from the journal of `tests/powercut` to what a disk would hold after a cut.
//!
//! The model. Everything that was synced before the cut is there. Of what was written to a file after its last sync:
//! nothing; a prefix of the writes, the last of them torn at a sector; all of it; or of each sector of 512 bytes,
//! independently of all others, any state that it has had since (so writes also arrive in another order). The length
//! is such a state of its own; where it grew and the bytes did not arrive, there are zeros. Names (created, renamed,
//! removed) arrive in their order, as ext4's own journal keeps it: all up to the last sync of a directory, and any
//! number of those after it. ext4 also makes a new file's name durable when the file is synced; POSIX promises that
//! only for a sync of the directory, and so does this model. Bytes that were synced do not rot, and a sync that has
//! returned has reached the disk.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// Random numbers that can be drawn again: SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A file or directory was opened, perhaps made, perhaps emptied.
    Open {
        /// Its inode.
        inode: u64,
        /// Its path.
        path: PathBuf,
        /// It was not there before.
        created: bool,
        /// It was emptied.
        truncated: bool,
        /// It is a directory.
        directory: bool,
    },
    /// Bytes were written.
    Write {
        /// The file's inode.
        inode: u64,
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was given a length.
    Truncate {
        /// The file's inode.
        inode: u64,
        /// The length.
        length: u64,
    },
    /// A file or directory was synced.
    Sync {
        /// Its inode.
        inode: u64,
    },
    /// A name was moved.
    Rename {
        /// From here.
        from: PathBuf,
        /// To here.
        to: PathBuf,
    },
    /// A name was removed.
    Unlink(PathBuf),
    /// A directory was made.
    Mkdir(PathBuf),
    /// A file was mapped so that writes are not seen.
    Map {
        /// Its inode.
        inode: u64,
    },
}

/// Reads a journal: each record with the length of the journal behind it. A record that is cut short ends it: the
/// program was killed while writing.
pub fn read_journal(path: &Path) -> io::Result<Vec<(u64, Record)>> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((record, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        rest = after;
        records.push(((bytes.len() - rest.len()) as u64, parse(record).expect("a record as powercut writes it")));
    }
    Ok(records)
}

fn parse(record: &[u8]) -> Option<Record> {
    use std::os::unix::ffi::OsStrExt;
    fn path<'a>(bytes: &mut &'a [u8]) -> Option<&'a Path> {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (path, rest) = rest.split_at_checked(u16::from_le_bytes(*length) as usize)?;
        *bytes = rest;
        Some(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
    let (operation, rest) = record.split_first()?;
    let (inode, rest) = rest.split_first_chunk::<8>()?;
    let (number, mut rest) = rest.split_first_chunk::<8>()?;
    let (inode, number) = (u64::from_le_bytes(*inode), u64::from_le_bytes(*number));
    let (first, second) = (path(&mut rest)?.to_owned(), path(&mut rest)?.to_owned());
    Some(match operation {
        1 => {
            let flag = |bit: u64| number & bit != 0;
            Record::Open { inode, path: first, created: flag(1), truncated: flag(2), directory: flag(4) }
        }
        2 => Record::Write { inode, offset: number, bytes: rest.to_vec() },
        3 => Record::Truncate { inode, length: number },
        4 => Record::Sync { inode },
        5 => Record::Rename { from: first, to: second },
        6 => Record::Unlink(first),
        7 => Record::Mkdir(first),
        8 => Record::Map { inode },
        _ => return None,
    })
}

/// A change of a file that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

/// A file: what is on disk for certain, and what may be.
#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

/// A change of a name that is not synced.
#[derive(Debug, Clone)]
enum Naming {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

type Names = BTreeMap<PathBuf, usize>;

/// A directory on a disk that may lose power.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    /// As the program sees them.
    names: Names,
    synced_names: Names,
    pending_names: Vec<Naming>,
    /// Which file an inode is now; `None` for a directory.
    inodes: HashMap<u64, Option<usize>>,
    /// Files that the program writes to through memory.
    mapped: Vec<usize>,
}

impl Change {
    fn length_after(&self, before: u64) -> u64 {
        match self {
            Change::Write { offset, bytes } => before.max(offset + bytes.len() as u64),
            Change::Truncate(length) => *length,
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => put(to, *offset, bytes),
            Change::Truncate(length) => to.resize(*length as usize, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (from, end) = (offset as usize, offset as usize + bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    to[from..end].copy_from_slice(bytes);
}

impl File {
    fn current(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.synced);
        }
    }

    /// What a cut leaves of it.
    fn after_cut(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(4) {
            0 => self.synced.clone(),
            1 => self.prefix(dice),
            2 => self.sectors(dice),
            _ => self.current(),
        }
    }

    /// Some of the changes in their order, the last one perhaps torn.
    fn prefix(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let whole = dice.below(self.pending.len() as u64 + 1) as usize;
        self.pending[..whole].iter().for_each(|change| change.apply(&mut bytes));
        if let Some(Change::Write { offset, bytes: torn }) = self.pending.get(whole) {
            let sectors = dice.below(torn.len() as u64 / SECTOR + 1);
            let end = (offset / SECTOR + sectors) * SECTOR;
            let arrived = end.saturating_sub(*offset).min(torn.len() as u64);
            put(&mut bytes, *offset, &torn[..arrived as usize]);
        }
        bytes
    }

    /// Each sector, and the length, in any state since the last sync.
    fn sectors(&self, dice: &mut Dice) -> Vec<u8> {
        let states = self.pending.len() as u64 + 1;
        let mut bytes = self.synced.clone();
        let mut reached: HashMap<u64, u64> = HashMap::new();
        for (at, change) in self.pending.iter().enumerate() {
            let length = bytes.len() as u64;
            let (from, to) = match change {
                Change::Write { offset, bytes } => (*offset, offset + bytes.len() as u64),
                Change::Truncate(to) => (*to, length.max(*to)),
            };
            for sector in from / SECTOR..to.div_ceil(SECTOR) {
                if *reached.entry(sector).or_insert_with(|| dice.below(states)) <= at as u64 {
                    continue;
                }
                let (start, end) = (from.max(sector * SECTOR), to.min((sector + 1) * SECTOR));
                match change {
                    Change::Write { offset, bytes: written } => {
                        put(&mut bytes, start, &written[(start - offset) as usize..(end - offset) as usize]);
                    }
                    Change::Truncate(_) => put(&mut bytes, start, &vec![0; (end - start) as usize]),
                }
            }
        }
        let kept = dice.below(states) as usize;
        let length = self.synced.len() as u64;
        let length = self.pending[..kept].iter().fold(length, |length, change| change.length_after(length));
        bytes.resize(length as usize, 0);
        bytes
    }
}

fn rename(names: &mut Names, from: &Path, to: &Path) {
    if let Some(file) = names.remove(from) {
        names.insert(to.to_owned(), file);
    }
}

impl Disk {
    /// A disk on which a directory lies as it is now.
    pub fn load(root: &Path) -> io::Result<Self> {
        let (files, names, inodes) = (Vec::new(), Names::new(), HashMap::new());
        let root = root.to_owned();
        let mut disk = Self {
            root: root.clone(),
            files,
            names,
            synced_names: Names::new(),
            pending_names: Vec::new(),
            inodes,
            mapped: Vec::new(),
        };
        disk.take(&root)?;
        disk.synced_names = disk.names.clone();
        Ok(disk)
    }

    fn take(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.take(&path)?;
            } else {
                self.names.insert(path.clone(), self.files.len());
                self.files.push(File { synced: fs::read(&path)?, pending: Vec::new() });
            }
        }
        Ok(())
    }

    /// Takes up what the program did next.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Open { inode, directory: true, .. } => _ = self.inodes.insert(*inode, None),
            Record::Open { inode, path, created, truncated, .. } => self.open(*inode, path, *created, *truncated),
            Record::Write { inode, offset, bytes } => {
                self.file(*inode).pending.push(Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Record::Truncate { inode, length } => self.file(*inode).pending.push(Change::Truncate(*length)),
            Record::Sync { inode } => match self.inodes[inode] {
                Some(file) => self.files[file].sync(),
                None => self.sync_names(),
            },
            Record::Rename { from, to } => {
                rename(&mut self.names, from, to);
                self.pending_names.push(Naming::Rename(from.clone(), to.clone()));
            }
            Record::Unlink(path) => {
                self.names.remove(path);
                self.pending_names.push(Naming::Unlink(path.clone()));
            }
            // Directories are made where a file lies in them.
            Record::Mkdir(_) => {}
            Record::Map { inode } => {
                let file = self.inodes[inode].expect("a file is mapped");
                self.mapped.push(file);
            }
        }
    }

    fn open(&mut self, inode: u64, path: &Path, created: bool, truncated: bool) {
        let file = match self.names.get(path) {
            Some(file) if !created => *file,
            _ => {
                let file = self.files.len();
                self.files.push(File::default());
                self.names.insert(path.to_owned(), file);
                self.pending_names.push(Naming::Create(path.to_owned(), file));
                file
            }
        };
        self.inodes.insert(inode, Some(file));
        if truncated && !created {
            self.files[file].pending.push(Change::Truncate(0));
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        let file = self.inodes[&inode].expect("only files are written to");
        &mut self.files[file]
    }

    fn sync_names(&mut self) {
        self.pending_names.clear();
        self.synced_names = self.names.clone();
    }

    /// Names that a cut leaves.
    fn names_after_cut(&self, dice: &mut Dice) -> Names {
        let mut names = self.synced_names.clone();
        let kept = dice.below(self.pending_names.len() as u64 + 1) as usize;
        for naming in &self.pending_names[..kept] {
            match naming {
                Naming::Create(path, file) => _ = names.insert(path.clone(), *file),
                Naming::Rename(from, to) => rename(&mut names, from, to),
                Naming::Unlink(path) => _ = names.remove(path),
            }
        }
        names
    }

    /// Writes what a cut at this moment leaves into a directory.
    pub fn cut(&self, dice: &mut Dice, to: &Path) -> io::Result<()> {
        for (path, file) in self.names_after_cut(dice) {
            // What the program did to it through memory is not known; SQLite makes its -shm file anew.
            if self.mapped.contains(&file) {
                continue;
            }
            let path = to.join(path.strip_prefix(&self.root).expect("below the root"));
            fs::create_dir_all(path.parent().expect("in a directory"))?;
            fs::write(path, self.files[file].after_cut(dice))?;
        }
        Ok(())
    }

    /// Compares with the directory as it is: the first file that differs shows that the witness has missed something.
    pub fn difference(&self) -> io::Result<Option<PathBuf>> {
        let there = Self::load(&self.root)?;
        let unseen = |path: &Path| {
            let file = self.names.get(path).copied();
            file.is_some_and(|file| self.mapped.contains(&file))
        };
        let paths = self.names.keys().chain(there.names.keys());
        let bytes = |disk: &Self, path: &Path| disk.names.get(path).map(|file| disk.files[*file].current());
        Ok(paths.filter(|path| !unseen(path)).find(|path| bytes(self, path) != bytes(&there, path)).cloned())
    }

    /// The files that are mapped so that writes are not seen.
    pub fn mapped(&self) -> impl Iterator<Item = &Path> {
        self.names.iter().filter(|(_, file)| self.mapped.contains(file)).map(|(path, _)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with one file of 1,024 bytes `a`, of which 1,024 bytes `b` are overwritten and 512 appended.
    fn disk() -> Disk {
        let root = PathBuf::from("/disk");
        let mut disk = Disk {
            root: root.clone(),
            files: Vec::new(),
            names: Names::new(),
            synced_names: Names::new(),
            pending_names: Vec::new(),
            inodes: HashMap::new(),
            mapped: Vec::new(),
        };
        let file =
            |created| Record::Open { inode: 7, path: root.join("file"), created, truncated: false, directory: false };
        disk.apply(&file(true));
        disk.apply(&Record::Write { inode: 7, offset: 0, bytes: vec![b'a'; 1_024] });
        disk.apply(&Record::Sync { inode: 7 });
        disk.apply(&Record::Open { inode: 1, path: root, created: false, truncated: false, directory: true });
        disk.apply(&Record::Sync { inode: 1 });
        disk.apply(&Record::Write { inode: 7, offset: 0, bytes: vec![b'b'; 1_024] });
        disk.apply(&Record::Write { inode: 7, offset: 1_024, bytes: vec![b'c'; 512] });
        disk
    }

    fn outcomes(disk: &Disk) -> std::collections::BTreeSet<Option<String>> {
        let mut dice = Dice::new(1);
        let cut = |dice: &mut Dice| {
            let file = *disk.names_after_cut(dice).get(Path::new("/disk/file"))?;
            let bytes = disk.files[file].after_cut(dice);
            Some(bytes.chunks(512).map(|sector| if sector[0] == 0 { '0' } else { char::from(sector[0]) }).collect())
        };
        (0..2_000).map(|_| cut(&mut dice)).collect()
    }

    #[test]
    fn what_is_not_synced_may_be_lost_torn_and_out_of_order() {
        let expected = ["aa", "ab", "aa0", "aac", "ab0", "abc", "ba", "ba0", "bac", "bb", "bb0", "bbc"];
        assert_eq!(outcomes(&disk()), expected.map(|text| Some(text.to_owned())).into());
    }

    #[test]
    fn what_is_synced_is_never_lost() {
        let mut disk = disk();
        disk.apply(&Record::Sync { inode: 7 });
        assert_eq!(outcomes(&disk), [Some("bbc".to_owned())].into());
    }

    #[test]
    fn a_name_may_be_lost_until_its_directory_is_synced() {
        let mut disk = disk();
        disk.apply(&Record::Sync { inode: 7 });
        disk.apply(&Record::Unlink("/disk/file".into()));
        assert_eq!(outcomes(&disk), [None, Some("bbc".to_owned())].into());
        disk.apply(&Record::Sync { inode: 1 });
        assert_eq!(outcomes(&disk), [None].into());
    }
}
