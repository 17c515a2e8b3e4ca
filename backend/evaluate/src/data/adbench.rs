//! ADBench's tables: `.npz` archives with `X` (rows of numbers) and `y` (1 for anomalous).
//!
//! Reads what these files hold, NumPy's format 1 to 3 with little-endian integers or floats in
//! either order; refuses everything else.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::ZipArchive;

use crate::{EvaluateError, Result, data::skab::files};

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file's name without ending, such as `23_mammography`.
    pub name: String,
    /// Numbers in a row.
    pub columns: usize,
    /// Row after row.
    pub rows: Vec<f32>,
    /// Whether each row is anomalous.
    pub labels: Vec<bool>,
}

/// Reads the tables of a folder whose files are at most `largest` bytes long, by name.
///
/// # Errors
/// [`EvaluateError`] for files that are missing or malformed.
pub fn read(dir: &Path, largest: u64) -> Result<Vec<Table>> {
    let small = |path: &std::path::PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() <= largest);
    files(dir, "npz")?.iter().filter(|path| small(path)).map(|path| table(path)).collect()
}

fn table(path: &Path) -> Result<Table> {
    let file = File::open(path).map_err(EvaluateError::io(path))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| EvaluateError::malformed(path, "an archive", error))?;
    let x = array(path, &mut archive, "X.npy")?;
    let y = array(path, &mut archive, "y.npy")?;
    let [count, columns] = x.shape[..] else {
        return Err(EvaluateError::malformed(path, "X with two dimensions", format!("{:?}", x.shape)));
    };
    if y.numbers.len() != count {
        return Err(EvaluateError::malformed(path, format!("{count} labels"), y.numbers.len()));
    }
    let at = |row: usize, column: usize| if x.by_column { column * count + row } else { row * columns + column };
    let rows = (0..count).flat_map(|row| (0..columns).map(move |column| (row, column)));
    Ok(Table {
        name: path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        columns,
        rows: rows.map(|(row, column)| x.numbers[at(row, column)] as f32).collect(),
        labels: y.numbers.iter().map(|label| *label > 0.5).collect(),
    })
}

struct Array {
    shape: Vec<usize>,
    /// Fortran's order.
    by_column: bool,
    numbers: Vec<f64>,
}

/// One member: magic, version, length of the header, header, numbers (NumPy's NEP 1).
fn array(path: &Path, archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Array> {
    let wrong = |expected: &str, actual: &dyn std::fmt::Display| {
        EvaluateError::malformed(path, format!("{name}: {expected}"), actual)
    };
    let mut member = archive.by_name(name).map_err(|error| wrong("a member", &error))?;
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(EvaluateError::io(path))?;
    let version = bytes.get(6).copied().filter(|_| bytes.starts_with(b"\x93NUMPY"));
    let (start, length) = match version {
        Some(1) => (10, bytes.get(8..10).map(|b| usize::from(b[0]) + 256 * usize::from(b[1]))),
        Some(2 | 3) => (12, bytes.get(8..12).map(|b| b.iter().rev().fold(0, |sum, b| sum * 256 + usize::from(*b)))),
        _ => return Err(wrong("an array of NumPy", &format!("version {version:?}"))),
    };
    let end = start + length.unwrap_or(usize::MAX / 2);
    let header = bytes.get(start..end).map(String::from_utf8_lossy).ok_or_else(|| wrong("a header", &"the end"))?;
    let shape = after(&header, "'shape': (").and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let shape: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let by_column = after(&header, "'fortran_order': ").is_some_and(|rest| rest.starts_with("True"));
    let kind = after(&header, "'descr': '").and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    let data = &bytes[end..];
    let numbers: Vec<f64> = match kind {
        "<f8" => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "<f4" => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        "<i8" => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        "<i4" => data.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
        "|u1" | "|b1" => data.iter().map(|b| f64::from(*b)).collect(),
        "|i1" => data.iter().map(|b| f64::from(b.cast_signed())).collect(),
        other => return Err(wrong("numbers", &other)),
    };
    if numbers.len() != shape.iter().product::<usize>() {
        return Err(wrong(&format!("{shape:?} numbers"), &numbers.len()));
    }
    Ok(Array { shape, by_column, numbers })
}

fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    Some(&header[header.find(key)? + key.len()..])
}
