//! Files: hashes, names, compression, and whether anything has to be done at all.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::Error;

/// Brotli's best: the bundle is made once and fetched often.
const BROTLI_QUALITY: i32 = 11;
/// 4 MiB, brotli's usual window, and more than the largest file.
const BROTLI_WINDOW: i32 = 22;
const BUFFER: usize = 1 << 16;

/// Reads a file; the error names it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

/// SHA-256 of the parts, each with its length, in hex.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `<stem>-<hash>.<extension>` and its compressed siblings; gives the name.
///
/// 16 hex digits of the hash: what must not collide are a few versions of one file.
pub(crate) fn write_hashed(out: &Path, stem: &str, extension: &str, bytes: &[u8]) -> Result<String, Error> {
    let name = format!("{stem}-{}.{extension}", &digest(&[bytes])[..16]);
    write_compressed(out, &name, bytes)?;
    Ok(name)
}

/// Writes a file, its `.br` and its `.gz`, and prints the three sizes.
pub(crate) fn write_compressed(out: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut brotli = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut brotli, BUFFER, BROTLI_QUALITY as u32, BROTLI_WINDOW as u32);
    encoder.write_all(bytes)?;
    drop(encoder);
    // No name and no time in the header: the same content gives the same bytes.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    let gzip = gzip.finish()?;

    fs::write(out.join(name), bytes)?;
    fs::write(out.join(format!("{name}.br")), &brotli)?;
    fs::write(out.join(format!("{name}.gz")), &gzip)?;
    println!("bundle: {name}: {} bytes, gzip {}, brotli {}", bytes.len(), gzip.len(), brotli.len());
    Ok(())
}

/// What the stamp file holds: the digest of the inputs, then the files made of them.
pub(crate) fn stamp(made_of: &str, names: &[String]) -> String {
    format!("{made_of}\n{}\n", names.join("\n"))
}

/// Whether `out` was made of the same inputs, and is still whole.
pub(crate) fn is_current(stamp: &Path, made_of: &str, out: &Path) -> bool {
    let Ok(text) = fs::read_to_string(stamp) else { return false };
    let mut lines = text.lines();
    lines.next() == Some(made_of) && lines.all(|name| out.join(name).is_file())
}
