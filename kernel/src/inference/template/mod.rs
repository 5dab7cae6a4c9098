//! Chat templates: messages into the text that a model was trained on, and into tokens of which no message can make a steering one.
//!
//! A template is rendered as Hugging Face does it (Jinja with trimmed blocks, `raise_exception`, `tojson` as Python writes it), with bounds
//! on time and memory. Source: huggingface/transformers, src/transformers/utils/chat_template_utils.py; ggml-org/llama.cpp, src/llama-chat.cpp.

mod date;
mod json;
mod marks;

#[cfg(test)]
mod tests;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::gguf::Gguf;
use super::tokenizer::Tokenizer;
use super::{ModelRefused, Refusal};
use marks::{Marker, Steering};

/// Bounds of one rendering: instructions, and 64 bytes of data each.
const FUEL: u64 = 2_000_000;
const RECURSION_MAX: usize = 200;
/// Longest template that is compiled.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Messages and tools together.
const REQUEST_BYTES_MAX: usize = 4 << 20;

const NAME: &str = "chat";
const TOOLS_NAME: &str = "tools";
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const CHATML_TEXTS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];

/// A conversation to be rendered.
#[derive(Clone, Copy, Debug)]
pub struct ChatRequest<'a> {
    /// A JSON list of objects with `role`, `content` and what else the template knows.
    pub messages: &'a [u8],
    /// A JSON list of tools in the form of OpenAI.
    pub tools: Option<&'a [u8]>,
    /// End with what begins an answer.
    pub add_generation_prompt: bool,
    /// Seconds since 1970 for templates that write the date; without it they have none.
    pub now_s: Option<i64>,
}

/// The template of a model, compiled.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    steering: Steering,
    begin_text: String,
    end_text: String,
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ChatTemplate").field("source", &self.source).finish_non_exhaustive()
    }
}

fn refused(what: impl Into<String>) -> ModelRefused {
    ModelRefused::new(Refusal::Template, what)
}

impl ChatTemplate {
    /// The template that the file carries; ChatML if it has none and its vocabulary has the tokens of that.
    pub fn of(gguf: &Gguf, tokenizer: &Tokenizer) -> Result<Self, ModelRefused> {
        let own = gguf.text("tokenizer.chat_template")?;
        let chatml = || {
            let known: Vec<&str> = tokenizer.steering_texts().collect();
            CHATML_TEXTS.iter().all(|text| known.contains(text)).then_some(CHATML)
        };
        let source = own.or_else(chatml).ok_or_else(|| refused("the file has no chat template"))?;
        let named = |key: &str| {
            let token = gguf.count(key)?.and_then(|token| u32::try_from(token).ok());
            let text = token.map(|token| String::from_utf8_lossy(tokenizer.token_text(token)).into_owned());
            Ok::<String, ModelRefused>(text.unwrap_or_default())
        };
        let (begin_text, end_text) = (named("tokenizer.ggml.bos_token_id")?, named("tokenizer.ggml.eos_token_id")?);
        let steering = Steering::of(tokenizer.steering_texts())?;
        let mut template = Self { environment: environment(), source: source.to_owned(), steering, begin_text, end_text };
        template.compile(NAME, source)?;
        if let Some(tools) = gguf.text("tokenizer.chat_template.tool_use")? {
            template.compile(TOOLS_NAME, tools)?;
        }
        Ok(template)
    }

    fn compile(&mut self, name: &'static str, source: &str) -> Result<(), ModelRefused> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(refused(format!("the chat template has {} bytes, above {SOURCE_BYTES_MAX}", source.len())));
        }
        let compiled = self.environment.add_template_owned(name, without_generation_blocks(source));
        compiled.map_err(|error| refused(format!("the chat template does not compile: {error}")))
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The template has something to say about tools.
    pub fn knows_tools(&self) -> bool {
        self.source.contains("tools") || self.environment.get_template(TOOLS_NAME).is_ok()
    }

    /// The text of a conversation.
    pub fn text(&self, request: &ChatRequest<'_>) -> Result<String, ModelRefused> {
        let (marked, marker) = self.marked_text(request)?;
        Ok(marker.without_marks(&marked))
    }

    /// The tokens of a conversation. Steering tokens are those that the template writes; the same words in a message stay words.
    pub fn tokens(&self, request: &ChatRequest<'_>, tokenizer: &Tokenizer) -> Result<Vec<u32>, ModelRefused> {
        let (marked, marker) = self.marked_text(request)?;
        let mut tokens = tokenizer.encode_marked(&marked, marker.mark())?;
        if let Some(begin) = tokenizer.begin()
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    fn marked_text(&self, request: &ChatRequest<'_>) -> Result<(String, Marker<'_>), ModelRefused> {
        let length = request.messages.len().saturating_add(request.tools.map_or(0, <[u8]>::len));
        if length > REQUEST_BYTES_MAX {
            return Err(ModelRefused::new(Refusal::TooLarge, format!("the messages have {length} bytes, above {REQUEST_BYTES_MAX}")));
        }
        let messages = parsed(request.messages, "the messages")?;
        let tools = request.tools.map(|tools| parsed(tools, "the tools")).transpose()?;
        check_roles(&messages)?;
        let marker = self.steering.marker(request)?;
        let messages = marker.mark_all(&messages);
        let tools = tools.map(|tools| marker.mark_all(&tools));
        let name = if tools.is_some() && self.environment.get_template(TOOLS_NAME).is_ok() { TOOLS_NAME } else { NAME };
        let strftime = request.now_s.map(|now_s| Value::from_function(move |form: String| date::written(now_s, &form)));
        let context = minijinja::context! {
            messages => messages,
            tools => tools,
            add_generation_prompt => request.add_generation_prompt,
            bos_token => &self.begin_text,
            eos_token => &self.end_text,
            strftime_now => strftime.unwrap_or(Value::UNDEFINED),
        };
        let rendered = self.environment.get_template(name).and_then(|template| template.render(context));
        Ok((rendered.map_err(|error| refused(cause_of(&error)))?, marker))
    }
}

/// What a template said by `raise_exception`, or what went wrong in it, on one line.
fn cause_of(error: &Error) -> String {
    let said = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::OutOfFuel => "the chat template takes too long or writes too much".to_owned(),
        _ => format!("the chat template refuses the messages: {}: {said}", error.kind()).trim_end_matches(": ").to_owned(),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default());
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.add_filter("tojson", |value: &Value, arguments: Kwargs| json::written(value, &arguments));
    environment.add_function("raise_exception", |what: String| Err::<Value, Error>(Error::new(ErrorKind::InvalidOperation, what)));
    environment
}

fn parsed(bytes: &[u8], what: &str) -> Result<Value, ModelRefused> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(list) if list.kind() == ValueKind::Seq => Ok(list),
        Ok(_) => Err(refused(format!("{what} are not a list"))),
        Err(error) => Err(refused(format!("{what} are not JSON: {error}"))),
    }
}

/// Roles stand in the text unmarked, as templates make steering tokens of them, so they are none but these.
const ROLES: [&str; 7] = ["system", "developer", "user", "assistant", "tool", "function", "ipython"];

fn check_roles(messages: &Value) -> Result<(), ModelRefused> {
    for message in messages.try_iter().into_iter().flatten() {
        let role = message.get_attr("role").unwrap_or_default();
        match role.as_str() {
            Some(role) if ROLES.contains(&role) => {}
            Some(role) => return Err(refused(format!("no message has the role {:?}", role.chars().take(80).collect::<String>()))),
            None => return Err(refused("a message has no role")),
        }
    }
    Ok(())
}

/// `{% generation %}` marks what training counts and means nothing here.
fn without_generation_blocks(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let inside = at + 2 + usize::from(rest[at + 2..].starts_with(['-', '+']));
        let Some(end) = rest[inside..].find("%}") else { break };
        let tag = rest[inside..inside + end].trim_end_matches(['-', '+']).trim();
        let replaced = match tag {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        match replaced {
            Some(replaced) => plain += &rest[..inside + end].replace(tag, replaced),
            None => plain += &rest[..inside + end],
        }
        plain += "%}";
        rest = &rest[inside + end + 2..];
    }
    plain + rest
}
