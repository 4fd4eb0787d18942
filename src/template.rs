//! Templates in settings: `{{ JMESPath }}` over `request`, evaluated once.
//!
//! There are two kinds. A [`Template`] may use any part of the request. An [`Identity`] determines which backups belong
//! to which claim, so it can only use the namespace and the claim's name: two claims never get the same text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use jmespath::Variable;
use serde::Deserialize;
use serde_json::Value;

use crate::problem::Problem;

/// The longest expression that is read, in bytes. JMESPath nests by recursion, and the guest's stack is finite.
const LONGEST_EXPRESSION: usize = 400;

/// The beginning of an expression.
const OPENING: &str = "{{";

/// Text with `{{ JMESPath }}` expressions over the AdmissionRequest, as in Kyverno, such as `{{ request.namespace }}`.
///
/// The result of an expression is never evaluated again. Write `\{{` for a literal `{{`.
#[derive(Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub(crate) struct Template {
    written: String,
    /// None where what is written is the text.
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Text(String),
    Expression(jmespath::Expression<'static>),
}

/// Why a template could not be rendered for a request: the expression, and the problem with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateFailure {
    /// The expression as written in settings, without its braces.
    pub expression: String,
    /// The problem with the result of the expression.
    pub reason: &'static str,
}

impl TemplateFailure {
    /// As a problem of the template at `path`.
    pub(crate) fn at(&self, path: String) -> Problem {
        Problem::new(path, self.to_string())
    }
}

impl fmt::Display for TemplateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{{{{ {} }}}}` {}", self.expression, self.reason)
    }
}

impl Template {
    /// A template of literal text and JMESPath expressions.
    ///
    /// # Errors
    ///
    /// A sentence that names the invalid expression, or the brace that is not closed.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        if !written.contains(OPENING) {
            return Ok(Template::text(written));
        }
        let mut parts = Vec::new();
        for piece in split(written)? {
            parts.push(match piece {
                Piece::Text(text) => Part::Text(text),
                Piece::Expression(expression) => Part::Expression(compile(expression)?),
            });
        }
        Ok(Template { written: written.to_owned(), parts })
    }

    pub(crate) fn text(text: &str) -> Self {
        Template { written: text.to_owned(), parts: Vec::new() }
    }

    /// The text itself, where it holds no expression.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(&self.written),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Renders the text for one request. A template that is a single expression must give a string; within a text,
    /// numbers and booleans are written as in JSON.
    ///
    /// # Errors
    ///
    /// The expression that gave nothing, or something other than a string.
    pub(crate) fn render(&self, scope: &Scope<'_>) -> Result<Cow<'_, str>, TemplateFailure> {
        if let Some(text) = self.literal() {
            return Ok(text.into());
        }
        let alone = self.parts.len() == 1;
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Expression(expression) => rendered.push_str(&scope.evaluate(expression, alone)?),
            }
        }
        Ok(rendered.into())
    }
}

/// The input of expressions: an object with the one key `request`.
pub(crate) struct Scope<'a> {
    request: &'a Value,
    /// The same for JMESPath, made for the first expression: most settings have none.
    data: OnceCell<jmespath::Rcvar>,
}

impl<'a> Scope<'a> {
    /// The scope of one admission request.
    pub(crate) fn new(request: &'a Value) -> Self {
        Scope { request, data: OnceCell::new() }
    }

    fn evaluate(&self, expression: &jmespath::Expression<'static>, alone: bool) -> Result<String, TemplateFailure> {
        let failure = |reason| TemplateFailure { expression: expression.as_str().to_owned(), reason };
        let mut context = jmespath::Context::new(expression.as_str(), &jmespath::DEFAULT_RUNTIME);
        let given = jmespath::interpret(self.data(), expression.as_ast(), &mut context)
            .map_err(|_| failure("cannot be evaluated for this request"))?;
        match &*given {
            Variable::Null => Err(failure("is missing from the request")),
            Variable::String(text) => Ok(text.clone()),
            _ if alone => Err(failure("does not give a string; wrap it in `to_string(…)`")),
            other => Ok(other.to_string()),
        }
    }

    fn data(&self) -> &jmespath::Rcvar {
        self.data.get_or_init(|| {
            let mut data = BTreeMap::new();
            data.insert("request".to_owned(), variable(self.request));
            jmespath::Rcvar::new(Variable::Object(data))
        })
    }
}

/// A value for JMESPath, whose own conversion goes through serde: more code.
fn variable(value: &Value) -> jmespath::Rcvar {
    jmespath::Rcvar::new(match value {
        Value::Null => Variable::Null,
        Value::Bool(is_so) => Variable::Bool(*is_so),
        Value::Number(number) => Variable::Number(number.clone()),
        Value::String(text) => Variable::String(text.clone()),
        Value::Array(items) => Variable::Array(items.iter().map(variable).collect()),
        Value::Object(fields) => {
            let mut object = BTreeMap::new();
            for (key, value) in fields {
                object.insert(key.clone(), variable(value));
            }
            Variable::Object(object)
        }
    })
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Template::parse(<&str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

#[cfg(feature = "schema")]
impl serde::Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

/// A name or path of what belongs to one claim: literal text, `{{ request.namespace }}` and `{{ request.name }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub(crate) struct Identity {
    parts: Vec<IdentityPart>,
}

/// A part of an [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentityPart {
    Text(Cow<'static, str>),
    Namespace,
    Name,
}

impl Identity {
    /// An identity of literal text, `{{ request.namespace }}` and `{{ request.name }}`.
    ///
    /// # Errors
    ///
    /// A sentence that names the expression that is neither.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for piece in split(written)? {
            parts.push(match piece {
                Piece::Text(text) => IdentityPart::Text(text.into()),
                Piece::Expression("request.namespace" | "request.object.metadata.namespace") => IdentityPart::Namespace,
                Piece::Expression("request.name" | "request.object.metadata.name") => IdentityPart::Name,
                Piece::Expression(other) => {
                    return Err(format!(
                        "`{{{{ {other} }}}}` is not allowed here, or two claims could share one repository; write \
                         `{{{{ request.namespace }}}}` and `{{{{ request.name }}}}`, each as it is"
                    ));
                }
            });
        }
        Ok(Identity { parts })
    }

    pub(crate) fn new(parts: impl Into<Vec<IdentityPart>>) -> Self {
        Identity { parts: parts.into() }
    }

    /// The text for one claim.
    pub(crate) fn render(&self, namespace: &str, name: &str) -> String {
        // Room for a suffix too: a text that grows is copied.
        let mut rendered = String::with_capacity(namespace.len() + name.len() + 16);
        for part in &self.parts {
            rendered.push_str(match part {
                IdentityPart::Text(text) => text,
                IdentityPart::Namespace => namespace,
                IdentityPart::Name => name,
            });
        }
        rendered
    }

    /// The claim's name for which this identity gives `rendered`, where there is one. The identity must contain the
    /// name once.
    pub(crate) fn name_in<'a>(&self, rendered: &'a str, namespace: &str) -> Option<&'a str> {
        let at = self.parts.iter().position(|part| *part == IdentityPart::Name)?;
        let (before, after) = self.parts.split_at_checked(at)?;
        let text = |parts: &[IdentityPart]| Identity::new(parts).render(namespace, "");
        rendered.strip_prefix(&text(before))?.strip_suffix(&text(after)).filter(|name| !name.is_empty())
    }

    pub(crate) fn parts(&self) -> &[IdentityPart] {
        &self.parts
    }

    /// The parts of each segment of a path, separated by `/`. Neither a namespace nor a name contains a `/`, so a
    /// segment with only one of them determines it.
    ///
    /// # Errors
    ///
    /// A segment is not a valid name of a folder.
    pub(crate) fn segments(&self) -> Result<Vec<Vec<IdentityPart>>, String> {
        let mut segments = vec![Vec::new()];
        for part in &self.parts {
            let IdentityPart::Text(text) = part else {
                segments.last_mut().into_iter().for_each(|segment| segment.push(part.clone()));
                continue;
            };
            for (index, piece) in text.split('/').enumerate() {
                if index > 0 {
                    segments.push(Vec::new());
                }
                if !piece.is_empty() {
                    let text = IdentityPart::Text(piece.to_owned().into());
                    segments.last_mut().into_iter().for_each(|segment| segment.push(text.clone()));
                }
            }
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        for segment in &segments {
            match segment.as_slice() {
                [] => return Err("a segment of the path is empty".to_owned()),
                // The ledger's own folder begins with a dot, and `..` leaves the base.
                [IdentityPart::Text(text), ..] if text.starts_with('.') => {
                    return Err("a segment of the path begins with a dot".to_owned());
                }
                parts => {
                    let plain = |part: &IdentityPart| match part {
                        IdentityPart::Text(text) => text.chars().all(is_plain),
                        IdentityPart::Namespace | IdentityPart::Name => true,
                    };
                    if !parts.iter().all(plain) {
                        return Err(
                            "a segment of the path contains more than letters, digits, `-`, `_` and `.`".to_owned()
                        );
                    }
                }
            }
        }
        Ok(segments)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            IdentityPart::Text(text) => f.write_str(text),
            IdentityPart::Namespace => f.write_str("{{ request.namespace }}"),
            IdentityPart::Name => f.write_str("{{ request.name }}"),
        })
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Identity::parse(<&str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl serde::Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn compile(expression: &str) -> Result<jmespath::Expression<'static>, String> {
    if expression.len() > LONGEST_EXPRESSION {
        return Err(format!("an expression is longer than {LONGEST_EXPRESSION} bytes"));
    }
    jmespath::compile(expression).map_err(|_| format!("`{{{{ {expression} }}}}` is not a JMESPath expression"))
}

enum Piece<'a> {
    Text(String),
    Expression(&'a str),
}

/// Cuts `written` at its `{{ … }}`.
fn split(written: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once(OPENING) {
        if let Some(before) = before.strip_suffix('\\') {
            text.push_str(before);
            text.push_str(OPENING);
            rest = after;
            continue;
        }
        text.push_str(before);
        let end = end_of(after).ok_or("`{{` is not closed by `}}`; write `\\{{` for the braces themselves")?;
        let (expression, following) = after.split_at_checked(end).unwrap_or((after, ""));
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Expression(expression.trim()));
        rest = following.strip_prefix("}}").unwrap_or(following);
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Where the `}}` stands that ends an expression: outside JMESPath's quotes and its own braces.
fn end_of(expression: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut characters = expression.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if characters.peek().is_some_and(|(_, next)| *next == '}') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(template: &str) -> Result<String, String> {
        let request = json!({"namespace": "shop", "object": {"metadata": {
            "labels": {"app": "web", "evil": "{{ request.namespace }}"}, "annotations": {"size": 3}}}});
        Template::parse(template)?
            .render(&Scope::new(&request))
            .map(Cow::into_owned)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn expressions_are_filled_in() {
        assert_eq!(render("plain").unwrap(), "plain");
        assert_eq!(render("").unwrap(), "");
        assert_eq!(render("{{request.namespace}}").unwrap(), "shop");
        assert_eq!(render("a-{{ request.object.metadata.labels.app }}-{{ request.namespace }}").unwrap(), "a-web-shop");
        assert_eq!(render("{{ request.object.metadata.labels.none || 'x' }}").unwrap(), "x");
        assert_eq!(render("{{ request.{a: {b: namespace}}.a.b }}").unwrap(), "shop");
        assert_eq!(render("{{ '}}' }}").unwrap(), "}}");
        assert_eq!(render(r"\{{ x }}").unwrap(), "{{ x }}");
    }

    #[test]
    fn a_substituted_value_is_never_evaluated_again() {
        assert_eq!(render("x{{ request.object.metadata.labels.evil }}").unwrap(), "x{{ request.namespace }}");
    }

    #[test]
    fn a_leaf_keeps_its_type_and_inside_a_text_a_number_is_written_out() {
        assert_eq!(render("v{{ request.object.metadata.annotations.size }}").unwrap(), "v3");
        assert_eq!(
            render("{{ request.object.metadata.annotations.size }}").unwrap_err(),
            "`{{ request.object.metadata.annotations.size }}` does not give a string; wrap it in `to_string(…)`"
        );
    }

    #[test]
    fn what_is_missing_is_named_by_its_expression() {
        assert_eq!(render("{{ request.nope }}").unwrap_err(), "`{{ request.nope }}` is missing from the request");
        assert_eq!(render("{{ abs('x') }}").unwrap_err(), "`{{ abs('x') }}` cannot be evaluated for this request");
    }

    #[test]
    fn what_is_no_template_is_refused_when_it_is_read() {
        assert!(render("{{ request.").unwrap_err().contains("is not closed"));
        assert!(render("{{ }}").unwrap_err().contains("is not a JMESPath expression"));
        assert!(render("{{ a b }}").unwrap_err().contains("`{{ a b }}` is not a JMESPath expression"));
        let nested = format!("{{{{ {}a{} }}}}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(render(&nested).unwrap_err(), "an expression is longer than 400 bytes");
    }

    #[test]
    fn the_deepest_expression_that_is_read_does_not_exhaust_the_stack() {
        for (open, close) in [("(", ")"), ("[", "]"), ("!", ""), ("{a:", "}"), ("to_string(", ")"), ("a.", "")] {
            let depth = (LONGEST_EXPRESSION - 1) / (open.len() + close.len());
            let nested = format!("{{{{ {}a{} }}}}", open.repeat(depth), close.repeat(depth));
            assert_ne!(render(&nested), Err("an expression is longer than 400 bytes".to_owned()));
        }
    }

    #[test]
    fn an_identity_holds_the_namespace_and_the_name_and_nothing_else() {
        let identity = Identity::parse("a/{{request.object.metadata.namespace}}/{{ request.name }}").unwrap();
        assert_eq!(identity.render("shop", "data"), "a/shop/data");
        assert_eq!(identity.name_in("a/shop/other", "shop"), Some("other"));
        assert_eq!(identity.name_in("a/bank/other", "shop"), None);
        assert_eq!(identity.name_in("a/shop/", "shop"), None);
        for other in ["{{ request.object.metadata.labels.app }}", "{{ to_string(request.name) }}", "{{ request.uid }}"]
        {
            assert!(Identity::parse(other).unwrap_err().contains("could share one repository"), "{other}");
        }
    }
}
