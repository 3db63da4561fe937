//! An output file, opened before the work starts so that a bad path fails at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::common::Failure;

pub struct Output {
    path: PathBuf,
    file: File,
    /// Whether `open` created the file, and it is not written yet. Then the drop removes it.
    is_draft: bool,
}

impl Output {
    /// Opens the file, or creates it. An existing file keeps its contents until
    /// [`write`](Output::write).
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
            // A drop cannot report an error.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn replace(
    file: &File,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    // A device or a pipe cannot be truncated.
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
