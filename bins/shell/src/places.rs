//! Where files are going to be made: looked at before the work that fills them.

use std::path::Path;

/// Is the folder there in which this file is to be made?
///
/// # Errors
/// Says which is not, and what to do.
pub fn check(option: &str, file: &Path) -> Result<(), String> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => Err(format!(
            "{option} {}: there is no folder {}; make it, or name a file in one that is there",
            file.display(),
            folder.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_folder_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check("-o", Path::new("file")), Ok(()));
        assert_eq!(check("-o", &folder.path().join("file")), Ok(()));
        let told = check("-o", &folder.path().join("none/file")).unwrap_err();
        assert!(
            told.starts_with("-o ") && told.contains("none/file: there is no folder"),
            "{told}"
        );
    }
}
