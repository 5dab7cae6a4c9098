//! `tojson` as templates of Hugging Face have it: Python's `json.dumps(value, ensure_ascii=False)`, with its spaces and its order.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Deeper than JSON that a request can hold.
const DEPTH_MAX: usize = 200;

struct Writer {
    text: String,
    indent: Option<String>,
    between: String,
    after_key: String,
    sort_keys: bool,
}

/// The filter, with Python's arguments.
pub(super) fn written(value: &Value, arguments: &Kwargs) -> Result<String, Error> {
    let indent = match arguments.get::<Option<Value>>("indent")? {
        None => None,
        Some(indent) if indent.is_none() => None,
        Some(indent) => match indent.as_str() {
            Some(text) => Some(text.to_owned()),
            None => Some(" ".repeat(usize::try_from(indent)?.min(64))),
        },
    };
    let separators = arguments.get::<Option<Vec<String>>>("separators")?.unwrap_or_default();
    let (between, after_key) = match separators.as_slice() {
        [between, after_key] => (between.clone(), after_key.clone()),
        _ => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let sort_keys = arguments.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    // The text is never escaped: that is how Hugging Face calls it.
    let _ = arguments.get::<Option<bool>>("ensure_ascii")?;
    arguments.assert_all_used()?;
    let mut writer = Writer { text: String::new(), indent, between, after_key, sort_keys };
    writer.value(value, 0)?;
    Ok(writer.text)
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(Error::new(ErrorKind::InvalidOperation, "the value is nested too deeply for JSON"));
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.number(value),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.members('[', ']', items, depth)?;
            }
            ValueKind::Map => {
                let mut members = Vec::new();
                for key in value.try_iter()? {
                    let member = value.get_item(&key)?;
                    members.push((Some(key.to_string()), member));
                }
                if self.sort_keys {
                    members.sort_by(|one, other| one.0.cmp(&other.0));
                }
                self.members('{', '}', members, depth)?;
            }
            kind => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is not JSON"))),
        }
        Ok(())
    }

    fn members(&mut self, open: char, close: char, members: Vec<(Option<String>, Value)>, depth: usize) -> Result<(), Error> {
        self.text.push(open);
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                self.text += &self.between;
            }
            self.line(depth + 1);
            if let Some(key) = key {
                self.string(key);
                self.text += &self.after_key;
            }
            self.value(value, depth + 1)?;
        }
        if !members.is_empty() {
            self.line(depth);
        }
        self.text.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.text.push('\n');
            (0..depth).for_each(|_| self.text += indent);
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                control if control < ' ' => self.text += &format!("\\u{:04x}", control as u32),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    /// Whole numbers as they are; others as Python's `repr` writes them.
    fn number(&mut self, value: &Value) {
        if value.is_integer() {
            self.text += &value.to_string();
        } else {
            self.text += &f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float);
        }
    }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}
