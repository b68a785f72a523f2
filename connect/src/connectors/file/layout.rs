//! What the columns of a file are called and which types they have, from the header, the settings
//! and what is remembered. What a user writes wins over the rest.

use formats::Type;
use formats::avro::safe_name;
use serde_json::{Value as Json, json};

use super::guess::Guess;
use super::settings::Delimited;
use super::types::{Named, parse_columns, parse_type, type_word};

/// A column of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayoutColumn {
    /// As the header has it.
    header: String,
    /// As the records have it.
    pub(super) name: String,
    /// The type that the user gives it.
    given: Option<Type>,
    pub(super) guess: Guess,
}

impl LayoutColumn {
    pub(super) fn ty(&self) -> Type {
        self.given.clone().unwrap_or_else(|| self.guess.ty())
    }

    /// Whether its type follows from its texts.
    pub(super) fn is_guessed(&self) -> bool {
        self.given.is_none()
    }
}

/// The header's names as the columns' names: trimmed; one without a name is called by its place.
pub(super) fn header_names<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = |(index, value): (usize, &str)| match value.trim() {
        "" => format!("column{}", index + 1),
        name => name.to_owned(),
    };
    values.enumerate().map(name).collect()
}

/// The columns of a file with this header; nothing is known of their types but what is given.
pub(super) fn layout(settings: &Delimited, header: &[String]) -> Result<Vec<LayoutColumn>, String> {
    let named = names(&settings.columns, header)?;
    let columns: Vec<LayoutColumn> = header
        .iter()
        .zip(named)
        .map(|(header, Named { name, ty })| {
            let (header, guess) = (header.clone(), Guess::Nothing);
            LayoutColumn { header, name, given: ty, guess }
        })
        .collect();
    for (index, column) in columns.iter().enumerate() {
        if let Some(first) = columns[..index].iter().position(|other| other.name == column.name) {
            return Err(format!(
                "columns {} and {} are both called {}; to give them other names, name all {} \
                 columns in the setting columns, in the file's order",
                first + 1,
                index + 1,
                column.name,
                columns.len()
            ));
        }
    }
    Ok(columns)
}

/// By name, if the header has all the names that are given; by place, if there are as many.
fn names(given: &[Named], header: &[String]) -> Result<Vec<Named>, String> {
    let place = |name: &str| find(header.iter().map(String::as_str), name);
    let Some(unknown) = given.iter().find(|column| place(&column.name).is_none()) else {
        let mut named: Vec<Named> =
            header.iter().map(|name| Named { name: name.clone(), ty: None }).collect();
        for column in given {
            if let Some(place) = place(&column.name) {
                named[place].ty.clone_from(&column.ty);
            }
        }
        return Ok(named);
    };
    if given.len() != header.len() {
        return Err(format!(
            "columns names {}, the header does not: {}; to give the columns other names, name all \
             {} of them in columns, in the header's order",
            unknown.name,
            header.join(", "),
            header.len()
        ));
    }
    for (index, column) in given.iter().enumerate() {
        if let Some(other) = header.iter().position(|name| *name == column.name)
            && other != index
        {
            return Err(format!(
                "columns gives new names by their order, as the header has no {}; but {} is column \
                 {} there and column {} in the header",
                unknown.name,
                column.name,
                index + 1,
                other + 1
            ));
        }
    }
    Ok(given.to_vec())
}

/// The place of a column: by its name, or by the name that it has in Avro.
pub(super) fn find<'a>(
    names: impl Iterator<Item = &'a str> + Clone,
    wanted: &str,
) -> Option<usize> {
    let mut names_again = names.clone();
    let exact = names_again.position(|name| name == wanted);
    let mut safe = names.enumerate().filter(|(_, name)| safe_name(name) == wanted);
    exact.or_else(|| match (safe.next(), safe.next()) {
        (Some((place, _)), None) => Some(place),
        _ => None,
    })
}

/// The columns as the setting would have them.
pub(super) fn shown(columns: &[LayoutColumn]) -> String {
    let column = |column: &LayoutColumn| format!("{} {}", column.name, type_word(&column.ty()));
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// What is to be remembered of a file's columns.
pub(super) fn to_json(columns: &[LayoutColumn]) -> Json {
    let column = |column: &LayoutColumn| {
        let mut json = json!({"name": column.header, "type": type_word(&column.ty())});
        if column.guess == (Guess::Whole { exact: false }) {
            json["exact"] = Json::Bool(false);
        }
        json
    };
    columns.iter().map(column).collect()
}

/// The columns of a file as they were remembered, under today's settings. None if nothing usable
/// was remembered.
pub(super) fn remembered(
    settings: &Delimited,
    json: &Json,
) -> Result<Option<Vec<LayoutColumn>>, String> {
    let Some((header, guesses)) = read_json(json) else { return Ok(None) };
    // Without a header the names are today's.
    let header = match settings.header {
        true => header,
        false => settings.columns.iter().map(|column| column.name.clone()).collect(),
    };
    let mut columns = layout(settings, &header)?;
    for (index, column) in columns.iter_mut().enumerate() {
        column.guess = guesses.get(index).copied().unwrap_or(Guess::Text);
    }
    Ok(Some(columns))
}

fn read_json(json: &Json) -> Option<(Vec<String>, Vec<Guess>)> {
    // The older form: one text, as in the setting.
    if let Json::String(text) = json {
        let columns = parse_columns(text).ok()?.into_iter();
        let known = |ty: Option<Type>| Guess::from_type(&ty.unwrap_or(Type::String), false);
        return Some(columns.map(|column| (column.name, known(column.ty))).unzip());
    }
    let column = |column: &Json| {
        let exact = column.get("exact").and_then(Json::as_bool).unwrap_or(true);
        let ty = parse_type(column.get("type")?.as_str()?)?;
        Some((column.get("name")?.as_str()?.to_owned(), Guess::from_type(&ty, exact)))
    };
    json.as_array()?.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(columns: &str, header: bool) -> Delimited {
        let columns = parse_columns(columns).expect("columns");
        Delimited { header, columns, ..Delimited::plain("t") }
    }

    fn shown(columns: &str, header: &str) -> Result<String, String> {
        let header = header_names(header.split(','));
        let columns = layout(&settings(columns, true), &header)?;
        Ok(super::shown(&columns))
    }

    #[test]
    fn columns_are_named_by_the_header_or_by_place() {
        assert_eq!(shown("", "이름,나이"), Ok("이름 STRING, 나이 STRING".into()));
        assert_eq!(shown("나이 INT", "이름,나이"), Ok("이름 STRING, 나이 INTEGER".into()));
        assert_eq!(shown("name, age INT", "이름,나이"), Ok("name STRING, age INTEGER".into()));
        assert_eq!(shown("unit_price INT", "unit price"), Ok("unit price INTEGER".into()));
        assert_eq!(shown("", " a ,,b"), Ok("a STRING, column2 STRING, b STRING".into()));
        assert_eq!(shown("x, y", "a,a"), Ok("x STRING, y STRING".into()));
    }

    #[test]
    fn names_that_do_not_fit_are_told_with_the_way_out() {
        for (columns, header, part) in [
            ("c INT", "a,b", "columns names c, the header does not: a, b; to give"),
            ("b, c", "a,b", "but b is column 1 there and column 2 in the header"),
            ("", "a,b,a", "columns 1 and 3 are both called a; to give them other names"),
        ] {
            let error = shown(columns, header).expect_err("refused");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_remembered_gives_way_to_what_the_user_writes() {
        let mut columns = layout(&settings("", true), &["at".into(), "n".into()]).expect("columns");
        columns[0].guess = Guess::Whole { exact: false };
        columns[1].guess = Guess::Double;
        let json = to_json(&columns);
        let again = remembered(&settings("", true), &json).expect("names").expect("columns");
        assert_eq!(again, columns);
        let renamed = remembered(&settings("x, y STRING", true), &json).expect("names");
        let renamed = renamed.expect("columns");
        let shown: Vec<(&str, Type)> = renamed.iter().map(|c| (c.name.as_str(), c.ty())).collect();
        assert_eq!(shown, [("x", Type::Int64), ("y", Type::String)]);
        let old = Json::from("at BIGINT, n DOUBLE");
        let old = remembered(&settings("", true), &old).expect("names").expect("columns");
        assert_eq!(old, columns);
        assert_eq!(remembered(&settings("", true), &json!(7)), Ok(None));
    }
}
