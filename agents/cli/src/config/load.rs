//! From file, environment and flags to settings.

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{ConfigError, Diagnostic, Severity};
use super::document::Document;
use super::environment::{Environment, OVERRIDABLE_KEYS, Override};
use super::profiles::{read_profiles, read_streams};
use super::sections::{
    check_known_keys, read_default_profile, read_driver, read_policies, read_shm,
};
use super::settings::DriverSettings;
use super::shared_streams::check_shared_streams;
use super::supervisor::{check_supervisor, read_supervisor};
use super::validate::check;

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct ConfigRequest<'a> {
    /// The file, if any.
    pub path: Option<&'a Path>,
    /// Variables that override it.
    pub environment: Environment,
    /// Flags that override both: key (with dots), flag as the user knows it (`--aeron-dir`), value.
    pub flags: &'a [(&'static str, &'static str, String)],
}

/// Settings that can be run with.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// The settings.
    pub settings: DriverSettings,
    /// What was set from outside the file; to be shown, since it is easily forgotten.
    pub overrides: Vec<Override>,
    /// Warnings and notices, rendered by [`Diagnostic::render`].
    pub diagnostics: Vec<Diagnostic>,
    /// The file's name, for rendering.
    pub path: String,
    /// The file's text, for rendering.
    pub source_text: String,
}

/// Reads the file and settles everything. All errors are reported together.
pub fn load(request: &ConfigRequest<'_>) -> Result<LoadedConfig, ConfigError> {
    let path = request
        .path
        .map_or("(no file)".into(), |path| match path.to_str() {
            Some("-") => "(standard input)".to_owned(),
            _ => path.display().to_string(),
        });
    let source_text = match request.path.map(read) {
        None => String::new(),
        Some(Ok(text)) => text,
        Some(Err(error)) => {
            let title = format!("cannot read the configuration file {path}: {error}");
            let diagnostics = vec![Diagnostic::error(title)];
            return Err(ConfigError {
                path,
                source_text: String::new(),
                diagnostics,
            });
        }
    };
    parse(&path, source_text, &request.environment, request.flags)
}

/// `-` is standard input.
fn read(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    }
}

/// Like [`load`] for a text that was read already; `path` is only shown.
pub fn parse(
    path: &str,
    source_text: String,
    environment: &Environment,
    flags: &[(&'static str, &'static str, String)],
) -> Result<LoadedConfig, ConfigError> {
    let path = path.to_owned();
    let root = match DeTable::parse(&source_text) {
        Ok(root) => root,
        Err(error) => {
            let message = error.message().replace('\n', ", ");
            let diagnostic = Diagnostic::error("this is not TOML").at(error.span(), message);
            return Err(ConfigError {
                path,
                source_text,
                diagnostics: vec![diagnostic],
            });
        }
    };
    let overrides = collect_overrides(environment, flags);
    let (settings, mut diagnostics) = settle(&root, &overrides);
    diagnostics.extend(near_misses(environment));
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        drop(root);
        return Err(ConfigError {
            path,
            source_text,
            diagnostics,
        });
    }
    drop(root);
    Ok(LoadedConfig {
        settings,
        overrides,
        diagnostics,
        path,
        source_text,
    })
}

fn collect_overrides(
    environment: &Environment,
    flags: &[(&'static str, &'static str, String)],
) -> Vec<Override> {
    let flag = |(key, flag, value): &(&'static str, &'static str, String)| {
        debug_assert!(OVERRIDABLE_KEYS.contains(key), "{key} cannot be overridden");
        Override {
            key,
            origin: (*flag).to_owned(),
            value: value.clone(),
        }
    };
    let mut overrides: Vec<Override> = flags.iter().map(flag).collect();
    for found in environment.overrides() {
        if !overrides.iter().any(|known| known.key == found.key) {
            overrides.push(found);
        }
    }
    overrides
}

fn near_misses(environment: &Environment) -> Vec<Diagnostic> {
    let warning = |(name, meant): (&str, String)| {
        Diagnostic::warning(format!("environment variable {name} overrides nothing"))
            .help(format!("did you mean {meant}?"))
    };
    environment.near_misses().into_iter().map(warning).collect()
}

fn settle(
    root: &Spanned<DeTable<'_>>,
    overrides: &[Override],
) -> (DriverSettings, Vec<Diagnostic>) {
    let mut settings = DriverSettings::default();
    let mut document = Document::new(root.get_ref(), overrides);
    check_known_keys(&mut document);
    read_driver(&mut document, &mut settings);
    read_shm(&mut document, &mut settings);
    read_policies(&mut document, &mut settings);
    read_profiles(&mut document, &mut settings);
    read_default_profile(&mut document, &mut settings);
    read_streams(&mut document, &mut settings);
    read_supervisor(&mut document, &mut settings);
    check(&mut document, &settings);
    check_supervisor(&mut document, &settings);
    check_shared_streams(&mut document, &settings);
    (settings, document.diagnostics)
}
