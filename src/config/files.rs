//! `--null source='\N'`: how text files are read, for both sides or for one.

use super::cli::FileArgs;
use crate::engines::files::{Encoding, FileOptions};
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};

/// How the files of each side are read.
///
/// # Errors
///
/// If a value is not what its flag takes.
pub fn file_options(args: &FileArgs) -> Result<Sides<FileOptions>> {
    let mut options = Sides::<FileOptions>::default();
    each(&args.file_format, "--file-format", &mut options, |options, value| {
        let all = [Encoding::Parquet, Encoding::Csv, Encoding::Ndjson, Encoding::Arrow];
        let names = ["parquet", "csv", "ndjson", "arrow"];
        let place = names
            .iter()
            .position(|name| value.eq_ignore_ascii_case(name))
            .ok_or_else(|| Error::new(format!("found '{value}', expected parquet, csv, ndjson or arrow")).suggest(value, names))?;
        options.encoding = Some(all[place]);
        Ok(())
    })?;
    each(&args.delimiter, "--delimiter", &mut options, |options, value| {
        one_byte(value).map(|byte| options.delimiter = Some(byte))
    })?;
    each(&args.quote, "--quote", &mut options, |options, value| one_byte(value).map(|byte| options.quote = Some(byte)))?;
    each(&args.null, "--null", &mut options, |options, value| {
        options.null = Some(value.to_string());
        Ok(())
    })?;
    for side in &args.no_header {
        for named in Side::BOTH {
            if side == "both" || *side == named.to_string() {
                options.get_mut(named).no_header = true;
            }
        }
        if !["both", "source", "target"].contains(&side.as_str()) {
            return Err(Error::new(format!("found '{side}', expected source, target or nothing")).at("--no-header"));
        }
    }
    for side in Side::BOTH {
        let options = options.get(side);
        if options.delimiter.unwrap_or(b',') == options.quote.unwrap_or(b'"') {
            return Err(Error::new("--delimiter and --quote are the same character").on(side));
        }
    }
    Ok(options)
}

fn each(
    values: &[String],
    flag: &str,
    options: &mut Sides<FileOptions>,
    mut set: impl FnMut(&mut FileOptions, &str) -> Result<()>,
) -> Result<()> {
    for value in values {
        let of = |side: Side| value.strip_prefix(&format!("{side}="));
        let (sides, value) = match (of(Side::Source), of(Side::Target)) {
            (Some(value), _) => (vec![Side::Source], value),
            (None, Some(value)) => (vec![Side::Target], value),
            (None, None) => (Side::BOTH.to_vec(), value.as_str()),
        };
        for side in sides {
            set(options.get_mut(side), value).map_err(|error| error.at(flag))?;
        }
    }
    Ok(())
}

fn one_byte(value: &str) -> Result<u8> {
    match value {
        "\\t" | "tab" => Ok(b'\t'),
        _ => match value.as_bytes() {
            [byte] if byte.is_ascii() && !b"\r\n".contains(byte) => Ok(*byte),
            _ => Err(Error::new(format!("found '{value}', expected one ASCII character, or \\t for a tab"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> FileArgs {
        FileArgs { file_format: vec![], delimiter: vec![], quote: vec![], no_header: vec![], null: vec![] }
    }

    #[test]
    fn a_value_holds_for_both_sides_or_for_the_one_it_names() {
        let options = file_options(&FileArgs {
            delimiter: vec!["|".into(), "source=\\t".into()],
            null: vec!["target=\\N".into()],
            no_header: vec!["source".into()],
            ..args()
        })
        .unwrap();
        assert_eq!((options.source.delimiter, options.target.delimiter), (Some(b'\t'), Some(b'|')));
        assert_eq!((options.source.null, options.target.null), (None, Some("\\N".to_string())));
        assert_eq!((options.source.no_header, options.target.no_header), (true, false));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for wrong in [
            FileArgs { delimiter: vec!["ab".into()], ..args() },
            FileArgs { delimiter: vec!["é".into()], ..args() },
            FileArgs { quote: vec![",".into()], ..args() },
            FileArgs { file_format: vec!["parket".into()], ..args() },
            FileArgs { no_header: vec!["left".into()], ..args() },
        ] {
            assert!(file_options(&wrong).is_err());
        }
    }
}
