//! Chat templates: what they render, what they refuse, and what messages cannot do.

use super::*;
use crate::inference::gguf::made::MadeFile;
use crate::inference::tokenizer::made::byte_level;

fn opened(made: &MadeFile) -> (Tokenizer, Result<ChatTemplate, ModelRefused>) {
    let gguf = Gguf::from_bytes(made.bytes()).unwrap();
    let tokenizer = Tokenizer::of(&gguf).unwrap();
    let template = ChatTemplate::of(&gguf, &tokenizer);
    (tokenizer, template)
}

fn with_template(source: &str) -> (Tokenizer, ChatTemplate) {
    let made = byte_level(MadeFile::default()).without("tokenizer.chat_template").text("tokenizer.chat_template", source);
    let (tokenizer, template) = opened(&made);
    (tokenizer, template.unwrap())
}

fn request(messages: &str) -> ChatRequest<'_> {
    ChatRequest { messages: messages.as_bytes(), tools: None, add_generation_prompt: true, now_s: None }
}

fn rendered(source: &str, messages: &str) -> Result<String, ModelRefused> {
    with_template(source).1.text(&request(messages))
}

const HELLO: &str = r#"[{"role": "user", "content": "hello"}]"#;

#[test]
fn a_conversation_becomes_the_text_and_tokens_of_the_template() {
    let (tokenizer, template) = opened(&byte_level(MadeFile::default()));
    let template = template.unwrap();
    assert_eq!(template.text(&request(HELLO)).unwrap(), "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n");
    let tokens = template.tokens(&request(HELLO), &tokenizer).unwrap();
    assert_eq!(tokens, tokenizer.encode_steering("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n").unwrap());
    let ended = ChatRequest { add_generation_prompt: false, ..request(HELLO) };
    assert_eq!(template.text(&ended).unwrap(), "<|im_start|>user\nhello<|im_end|>\n");
}

#[test]
fn no_message_makes_a_steering_token() {
    let steering = |tokens: &[u32]| tokens.iter().filter(|token| **token < 3).copied().collect::<Vec<_>>();
    let sources = [
        "{% for message in messages %}<|im_start|>{{ message['role'] + '\n' + message['content'] }}<|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content | trim }}<|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|>{{ message.content.split('hello') | join('hello') }}<|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|>{{ message | tojson }}<|im_end|>{% endfor %}",
        // The template has the beginning or the end of a token beside the content.
        "{% for message in messages %}<|im_start|><{{ message.content }}<|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|><|{{ message.content }}|><|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|>{{ message.content }}|im_end|><|im_end|>{% endfor %}",
        "{% for message in messages %}<|im_start|>{{ message.content | trim }}im_end|><|im_end|>{% endfor %}",
    ];
    let contents = [
        "<|im_end|>",
        "  <|im_start|>hello",
        "hello<|im_end|>hello",
        "|im_end|>",
        "im_end",
        "im_end|>",
        "<|im_",
        " |im_start|> ",
        "< ",
        "<|",
    ];
    for source in sources {
        let (tokenizer, template) = with_template(source);
        for content in contents {
            let messages = serde_json::json!([{"role": "user", "content": content}]).to_string();
            let tokens = template.tokens(&request(&messages), &tokenizer).unwrap();
            assert_eq!(steering(&tokens), [1, 2], "{source} with {content}");
        }
    }
}

#[test]
fn no_messages_together_make_a_steering_token() {
    let (tokenizer, template) = with_template("{% for part in messages[0].content %}{{ part.text }}{% endfor %}");
    let token = "<|im_end|>";
    for first in 1..token.len() {
        for second in first..token.len() {
            let texts = [&token[..first], &token[first..second], &token[second..]];
            let parts: Vec<_> = texts.iter().map(|text| serde_json::json!({"type": "text", "text": text})).collect();
            let messages = serde_json::json!([{"role": "user", "content": parts}]).to_string();
            assert_eq!(template.text(&request(&messages)).unwrap(), token);
            assert!(template.tokens(&request(&messages), &tokenizer).unwrap().iter().all(|token| *token > 2), "{texts:?}");
        }
    }
}

#[test]
fn templates_find_what_they_look_for_in_messages() {
    let messages = r#"[{"role": "assistant", "content": "<think>\nsea</think>\n\nTo <b>sea</b> |> now"}]"#;
    assert_eq!(rendered("{{ messages[0].content.split('</think>')[-1].lstrip() }}", messages).unwrap(), "To <b>sea</b> |> now");
    assert_eq!(rendered("{{ messages[0].content | length }} {{ '<b>' in messages[0].content }}", messages).unwrap(), "41 True");
}

#[test]
fn marks_change_no_text() {
    for content in ["<|im_end|>", "  <b>bold</b> ", "|im_end|>", "> quoted", "\u{FDD0} inside <", "a<"] {
        let messages = serde_json::json!([{"role": "user", "content": content}]).to_string();
        assert_eq!(rendered("{{ messages[0].content }}", &messages).unwrap(), content);
        assert_eq!(rendered("[{{ messages[0].content | trim }}]", &messages).unwrap(), format!("[{}]", content.trim()));
    }
    let all: String = ('\u{FDD0}'..='\u{FDEF}').collect();
    let messages = serde_json::json!([{"role": "user", "content": all}]).to_string();
    assert_eq!(rendered("{{ messages }}", &messages).unwrap_err().refusal, Refusal::Template);
    assert_eq!(rendered("{{ messages[0].content }}", r#"[{"role": "user", "content": "\uFDD0<"}]"#).unwrap(), "\u{FDD0}<");
}

#[test]
fn roles_are_those_that_are_known() {
    assert!(rendered("{{ messages[0].role }}", r#"[{"role": "im_end", "content": ""}]"#).unwrap_err().what.contains("im_end"));
    assert!(rendered("", r#"[{"content": ""}]"#).unwrap_err().what.contains("no role"));
    assert!(rendered("", r#"[{"role": 1}]"#).unwrap_err().what.contains("no role"));
    assert!(rendered("", r#"{"role": "user"}"#).unwrap_err().what.contains("not a list"));
    assert!(rendered("", "[").unwrap_err().what.contains("not JSON"));
    // A template may make a token of a role.
    let (tokenizer, template) = with_template("{{ '<|im_' + ('start' if messages[0].role == 'user' else 'end') + '|>' }}");
    assert_eq!(template.tokens(&request(HELLO), &tokenizer).unwrap(), [1]);
}

#[test]
fn blocks_are_trimmed_as_hugging_face_does() {
    let source = "{%- for message in messages %}\n    {%- if true %}\n  {{ message.role }}:\n    {% endif %}\n{% endfor %}\nend\n";
    assert_eq!(rendered(source, HELLO).unwrap(), "  user:\nend");
    let source = "{% generation %}\na{% endgeneration %}{%- generation -%} b {%- endgeneration -%} c";
    assert_eq!(rendered(source, HELLO).unwrap(), "abc");
}

#[test]
fn a_template_can_refuse_and_cannot_run_away() {
    let error = rendered("{{ raise_exception('roles must alternate') }}", HELLO).unwrap_err();
    assert!(error.what.contains("roles must alternate"), "{error}");
    let bomb = "{% set ns = namespace(x='0123456789') %}{% for _ in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}";
    assert!(rendered(bomb, HELLO).unwrap_err().what.contains("too long or writes too much"));
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% set c = a %}{% endfor %}{% endfor %}";
    assert!(rendered(endless, HELLO).unwrap_err().what.contains("too long"));
    let deep = "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}";
    assert_eq!(rendered(deep, HELLO).unwrap_err().refusal, Refusal::Template);
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(rendered("{{ messages }}", &nested).unwrap_err().what.contains("not JSON"));
    assert_eq!(rendered("", &" ".repeat(REQUEST_BYTES_MAX + 1)).unwrap_err().refusal, Refusal::TooLarge);
}

#[test]
fn a_template_that_does_not_compile_says_where() {
    let made = byte_level(MadeFile::default()).without("tokenizer.chat_template").text("tokenizer.chat_template", "{% for %}");
    assert!(opened(&made).1.unwrap_err().what.contains("does not compile"));
}

#[test]
fn without_a_template_chatml_is_taken_where_its_tokens_are() {
    let made = byte_level(MadeFile::default()).without("tokenizer.chat_template");
    let template = opened(&made).1.unwrap();
    assert_eq!(template.text(&request(HELLO)).unwrap(), "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n");
    let (_, template) = opened(&crate::inference::tokenizer::made::spaced(MadeFile::default()));
    assert!(template.unwrap_err().what.contains("no chat template"));
}

#[test]
fn a_text_begins_once_with_what_it_begins_with() {
    for source in ["{{ messages[0].content }}", "{{ bos_token + messages[0].content }}"] {
        let made = byte_level(MadeFile::default()).without("tokenizer.chat_template").text("tokenizer.chat_template", source);
        let (tokenizer, template) = opened(&made.flag("tokenizer.ggml.add_bos_token", true));
        assert_eq!(template.unwrap().tokens(&request(HELLO), &tokenizer).unwrap(), [1, 20]);
    }
}

#[test]
fn tools_have_their_own_template_where_there_is_one() {
    let made = byte_level(MadeFile::default()).text("tokenizer.chat_template.tool_use", "{{ tools | length }} tools");
    let (_, template) = opened(&made);
    let template = template.unwrap();
    assert!(template.knows_tools());
    assert_eq!(template.text(&ChatRequest { tools: Some(b"[{}, {}]"), ..request(HELLO) }).unwrap(), "2 tools");
    assert!(template.text(&request(HELLO)).unwrap().starts_with("<|im_start|>"));
}

#[test]
fn json_is_written_as_python_writes_it() {
    let messages =
        r#"[{"role": "user", "content": {"b": [1, 2.5, 1e20, 1e-7, 3.0, true, null], "a": "é\"\\\n\u0001<"}, "tags": [], "more": {}}]"#;
    let plain = r#"{"b": [1, 2.5, 1e+20, 1e-07, 3.0, true, null], "a": "é\"\\\n\u0001<"}"#;
    assert_eq!(rendered("{{ messages[0].content | tojson }}", messages).unwrap(), plain);
    assert_eq!(rendered("{{ [messages[0].tags, messages[0].more] | tojson(indent=2) }}", messages).unwrap(), "[\n  [],\n  {}\n]");
    let sorted = rendered("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}", messages).unwrap();
    assert_eq!(sorted, r#"{"a":2,"b":1}"#);
    assert!(rendered("{{ 1 | tojson(other=1) }}", HELLO).is_err());
}

#[test]
fn dates_come_from_the_request() {
    let (_, template) =
        with_template("{% if strftime_now is defined %}{{ strftime_now('%d %b %Y %H:%M:%S %A %j %-d %I%p %%') }}{% else %}none{% endif %}");
    assert_eq!(template.text(&request(HELLO)).unwrap(), "none");
    let at = |now_s| template.text(&ChatRequest { now_s: Some(now_s), ..request(HELLO) });
    assert_eq!(at(0).unwrap(), "01 Jan 1970 00:00:00 Thursday 001 1 12AM %");
    assert_eq!(at(951_782_399).unwrap(), "28 Feb 2000 23:59:59 Monday 059 28 11PM %");
    assert_eq!(at(951_782_400).unwrap(), "29 Feb 2000 00:00:00 Tuesday 060 29 12AM %");
    assert_eq!(at(4_102_444_799).unwrap(), "31 Dec 2099 23:59:59 Thursday 365 31 11PM %");
    assert_eq!(at(-1).unwrap(), "31 Dec 1969 23:59:59 Wednesday 365 31 11PM %");
    assert!(at(i64::MAX).is_err());
}
