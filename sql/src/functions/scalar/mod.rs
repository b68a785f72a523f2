//! The scalar functions, a file for each family.

mod collections;
mod dates;
mod encodings;
mod json;
mod nulls;
mod numbers;
mod regexes;
mod strings;
mod times;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use formats::Value;
use javatext::pattern::Pattern;

use super::signature::ScalarFunction;

/// The families, each with the category under which SHOW FUNCTIONS lists it.
const FAMILIES: [(&str, &[ScalarFunction]); 10] = [
    ("STRING", strings::FUNCTIONS),
    ("REGULAR EXPRESSION", regexes::FUNCTIONS),
    ("STRING", encodings::FUNCTIONS),
    ("MATHEMATICAL", numbers::FUNCTIONS),
    ("CONDITIONAL", nulls::FUNCTIONS),
    ("OTHER", nulls::OTHERS),
    ("DATE / TIME", times::FUNCTIONS),
    ("DATE / TIME", dates::FUNCTIONS),
    ("COLLECTION", collections::FUNCTIONS),
    ("JSON", json::FUNCTIONS),
];

/// Every scalar function.
pub(crate) fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    categorised().map(|(_, function)| function)
}

/// Every scalar function behind its category.
pub(crate) fn categorised() -> impl Iterator<Item = (&'static str, &'static ScalarFunction)> {
    FAMILIES.into_iter().flat_map(|(category, functions)| {
        functions.iter().map(move |function| (category, function))
    })
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("expected a text, found {}", value.kind()))
}

fn int(value: &Value) -> Result<i32, String> {
    match value {
        Value::Int32(n) => Ok(*n),
        other => Err(format!("expected an INT, found {}", other.kind())),
    }
}

fn double(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float64(n) => Ok(*n),
        other => Err(format!("expected a DOUBLE, found {}", other.kind())),
    }
}

/// How many compiled patterns a thread keeps.
const MAX_PATTERNS: usize = 256;

thread_local! {
    static PATTERNS: RefCell<HashMap<String, Rc<Pattern>>> = RefCell::new(HashMap::new());
}

/// The compiled form of a time pattern, made once a thread.
fn pattern(source: &str) -> Result<Rc<Pattern>, String> {
    cached(&PATTERNS, source, Pattern::new)
}

/// How long a text may become whatever its parts are.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Refuses a text of `bytes` that a function would make out of much shorter ones: without a limit
/// a short statement fills the memory.
fn room(bytes: usize, arguments: &[Value]) -> Result<(), String> {
    let size = |value: &Value| match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::len).sum(),
        other => other.as_str().map_or(0, str::len),
    };
    if bytes <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let limit = MAX_TEXT_BYTES.max(arguments.iter().map(size).max().unwrap_or(0) * 4);
    if bytes <= limit {
        Ok(())
    } else {
        Err(format!("the text would be longer than {limit} bytes"))
    }
}

fn cached<T>(
    cache: &'static std::thread::LocalKey<RefCell<HashMap<String, Rc<T>>>>,
    source: &str,
    make: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Rc<T>, String> {
    if let Some(found) = cache.with_borrow(|known| known.get(source).cloned()) {
        return Ok(found);
    }
    let made = Rc::new(make(source)?);
    cache.with_borrow_mut(|known| {
        if known.len() >= MAX_PATTERNS {
            known.clear();
        }
        known.insert(source.to_owned(), Rc::clone(&made));
    });
    Ok(made)
}
