//! A file to write, opened before the work starts so that a bad path costs no time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::common::Failure;

pub struct Output {
    path: PathBuf,
    file: File,
    /// There was no such file, and it is not complete yet.
    is_draft: bool,
}

impl Output {
    /// Leaves what the file holds alone until there is something to [`write`](Output::write).
    pub fn open(path: &Path) -> Result<Output, Failure> {
        let (opened, is_draft) = match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path), false)
            }
            created => (created, true),
        };
        match opened {
            Ok(file) => Ok(Output { path: path.to_owned(), file, is_draft }),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    pub fn write(
        mut self,
        fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        replace(&self.file, fill).map_err(|error| cannot_write(&self.path, &error))?;
        self.is_draft = false;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_draft {
            // Nobody is left to tell if even this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn replace(
    file: &File,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    // A device or a pipe has no length to cut.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    let mut out = BufWriter::new(file);
    fill(&mut out)?;
    out.flush()
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Input(format!("cannot write {}: {error}", path.display()))
}
