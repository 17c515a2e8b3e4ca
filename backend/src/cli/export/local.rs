//! From a data directory: all of it at one moment.

use std::{collections::BTreeSet, io::Write, ops::ControlFlow, path::Path, process::ExitCode};

use super::{Args, open};
use crate::{
    cli::{Outcome, WrongUse, output::Output, progress::Progress},
    domain::{ports::Series, series::Selection},
    export::{Form, Writer},
};

/// Bytes that are written at a time at least.
const PIECE: usize = 256 << 10;

/// Writes the readings of a data directory.
pub(super) fn export(args: &Args, dir: &Path) -> Outcome {
    let store = open(dir)?;
    if let Some(device) = &args.device
        && store.latest(device)?.is_none()
    {
        return Err(WrongUse(format!("there is no reading of a device {:?}", device.as_str())).into());
    }
    let devices = args.device.as_ref().map(std::slice::from_ref);
    let selection = Selection { devices, span: args.span()?, label: args.label };
    let mut metrics = BTreeSet::new();
    if args.form() == Form::Csv {
        let all = if devices.is_none() { store.devices()? } else { Vec::new() };
        for device in devices.unwrap_or(&all) {
            metrics.extend(store.metrics(device)?);
        }
    }
    let mut writer = Writer::new(args.form(), metrics).map_err(WrongUse::new)?;
    let mut output = Output::create(args.output.as_deref())?;
    let mut progress = Progress::exported(Some(store.count(&selection)?));
    let mut failed = None;
    store.for_each(&selection, &mut |device, row| {
        writer.push(device, &row);
        if writer.len() < PIECE {
            return ControlFlow::Continue(());
        }
        progress.wrote(writer.readings());
        match output.write_all(&writer.take()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let (readings, erased) = (writer.readings(), writer.erased());
    output.write_all(&writer.finish())?;
    output.finish()?;
    progress.finish();
    said(readings, erased);
    Ok(ExitCode::SUCCESS)
}

/// Says what was written.
pub(super) fn said(readings: u64, erased: u64) {
    match erased {
        0 => eprintln!("{readings} readings written"),
        erased => eprintln!("{readings} readings written; {erased} were erased and are passed over"),
    }
}
