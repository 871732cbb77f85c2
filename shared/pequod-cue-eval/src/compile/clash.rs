//! Names that may not stand together.
//!
//! A pass over the tree before anything is compiled. It refuses, as the reference does:
//!
//! - a field and an alias of the same name, one of which is visible where the other is declared:
//!   `let A = 1, b: {A: 2}`;
//! - two aliases of the same name in one struct;
//! - two imports of the same name;
//! - a pattern that refers to a field it may itself constrain: `[a]: _, a: string`.

use pequod_cue_syntax::ast::{
    Clause, Comprehension, Decl, Element, Expr, Field, File, Ident, LabelKind, LetClause, Part,
};
use pequod_cue_syntax::{Span, ast, for_each_identifier};
use rustc_hash::FxHashMap;

/// The clashes in a file: where, and what to say.
pub(super) fn clashes(file: &File) -> Vec<(Span, String)> {
    let mut pass = Pass::default();
    pass.file(file);
    pass.found
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A field, or a variable of a comprehension.
    Field,
    /// A `let` or another name for a field, label or value.
    Alias,
    /// A package.
    Import,
}

#[derive(Debug, Default)]
struct Scope {
    names: FxHashMap<ast::Name, What>,
    /// Whether what is visited is the value of a field or `let` of this scope: a pattern in there
    /// matches no field out here.
    in_value: bool,
}

#[derive(Debug, Default)]
struct Pass {
    scopes: Vec<Scope>,
    found: Vec<(Span, String)>,
}

impl Pass {
    fn file(&mut self, file: &File) {
        self.imports(file);
        self.scopes.push(Scope::default());
        for import in &file.imports {
            self.insert(import.local_name().into(), What::Import, import.span);
        }
        self.declare(&file.decls);
        self.decls(&file.decls);
        self.scopes.pop();
    }

    fn imports(&mut self, file: &File) {
        // A field with an import's name is told where imports are resolved: what it meant before is known there.
        let mut names: Vec<&str> = Vec::new();
        for import in &file.imports {
            let name = import.local_name();
            if names.contains(&name) {
                let text = format!("{name} redeclared as imported package name");
                self.found.push((import.span, text));
            }
            names.push(name);
        }
    }

    fn insert(&mut self, name: ast::Name, what: What, span: Span) {
        let innermost = self.scopes.len().saturating_sub(1);
        let existing = self
            .scopes
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, scope)| Some((at, *scope.names.get(&name)?)));
        if let Some((at, existing)) = existing
            && &*name != "_"
        {
            if (what == What::Alias) != (existing == What::Alias) {
                let text =
                    format!("cannot have both alias and field with name {name:?} in same scope");
                self.found.push((span, text));
                return;
            }
            let unique = what != What::Field || existing != What::Field;
            if unique && at == innermost {
                if existing != What::Import {
                    let text = format!("alias {name:?} redeclared in same scope");
                    self.found.push((span, text));
                }
                return;
            }
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name, what);
        }
    }

    fn alias(&mut self, ident: &Ident) {
        self.insert(ident.name.clone(), What::Alias, ident.span);
    }

    /// Refuses an alias of a pattern that another alias of the struct is called like: they are not visible in the
    /// same places, but must differ.
    fn pattern_aliases(&mut self, decls: &[Decl]) {
        let mut known: FxHashMap<&ast::Name, bool> = FxHashMap::default();
        for decl in decls {
            let (names, pattern): (Vec<&Ident>, bool) = match decl {
                Decl::Let(clause) => (vec![&clause.ident], false),
                Decl::Field(field) => {
                    let label = field.label.alias.as_deref();
                    let postfix = field.alias.as_ref().map(|alias| &alias.field);
                    let names = label.into_iter().chain(postfix).collect();
                    (names, matches!(field.label.kind, LabelKind::Pattern(_)))
                }
                _ => continue,
            };
            for ident in names.into_iter().filter(|ident| &*ident.name != "_") {
                let earlier = known.insert(&ident.name, pattern);
                if earlier.is_some_and(|earlier| earlier || pattern) {
                    let text = format!("alias {:?} already declared", &*ident.name);
                    self.found.push((ident.span, text));
                }
            }
        }
    }

    /// Enters the names that declarations bind in the struct they stand in.
    fn declare(&mut self, decls: &[Decl]) {
        self.pattern_aliases(decls);
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.reserve(super::named(decls));
        }
        for decl in decls {
            match decl {
                Decl::Let(clause) => self.alias(&clause.ident),
                Decl::Field(field) => {
                    if !matches!(field.label.kind, LabelKind::Pattern(_)) {
                        field.label.alias.iter().for_each(|alias| self.alias(alias));
                        self.postfix_aliases(field);
                    }
                    if let LabelKind::Ident(ident) = &field.label.kind {
                        self.insert(ident.name.clone(), What::Field, ident.span);
                    }
                }
                _ => {}
            }
        }
    }

    fn postfix_aliases(&mut self, field: &Field) {
        if let Some(alias) = &field.alias {
            let names = alias.label.iter().chain(std::iter::once(&alias.field));
            for name in names.filter(|name| &*name.name != "_") {
                self.alias(name);
            }
        }
    }

    fn decls(&mut self, decls: &[Decl]) {
        for decl in decls {
            match decl {
                Decl::Field(field) => self.field(field),
                Decl::Let(clause) => self.clause(clause),
                Decl::Embed(embed) => self.expr(&embed.expr),
                Decl::Comprehension(comprehension) => self.comprehension(comprehension),
                Decl::Ellipsis(_) | Decl::Attribute(_) => {}
            }
        }
    }

    fn body(&mut self, decls: &[Decl]) {
        self.scopes.push(Scope::default());
        self.declare(decls);
        self.decls(decls);
        self.scopes.pop();
    }

    /// The value of a field or `let` of the innermost scope.
    fn value(&mut self, value: &Expr) {
        let mark = |scopes: &mut Vec<Scope>, on| {
            if let Some(scope) = scopes.last_mut() {
                scope.in_value = on;
            }
        };
        mark(&mut self.scopes, true);
        self.expr(value);
        mark(&mut self.scopes, false);
    }

    fn field(&mut self, field: &Field) {
        let depth = self.scopes.len();
        match &field.label.kind {
            LabelKind::Ident(_) | LabelKind::String(_) => {}
            LabelKind::Interpolation(text) => self.parts(&text.parts),
            LabelKind::Dynamic(expr) => self.expr(expr),
            LabelKind::Pattern(pattern) => {
                self.scopes.push(Scope::default());
                field.label.alias.iter().for_each(|alias| self.alias(alias));
                match &pattern.alias {
                    Some(alias) => self.alias(alias),
                    None => self.postfix_aliases(field),
                }
                self.pattern(&pattern.expr);
                self.expr(&pattern.expr);
            }
        }
        if let Some(alias) = &field.value_alias {
            self.scopes.push(Scope::default());
            self.alias(alias);
        }
        self.value(&field.value);
        self.scopes.truncate(depth);
    }

    /// A pattern may not mention the fields it could match.
    fn pattern(&mut self, pattern: &Expr) {
        let (scopes, found) = (&self.scopes, &mut self.found);
        for_each_identifier(pattern, &mut |ident| {
            let name = &ident.name;
            let matched = scopes.iter().rev().take_while(|scope| !scope.in_value);
            for _ in matched.filter(|scope| scope.names.contains_key(name)) {
                let text = format!(
                    "reference {name:?} in label expression refers to field against which it would be matched"
                );
                found.push((ident.span, text));
            }
        });
    }

    /// A `let` is not visible in its own value.
    fn clause(&mut self, clause: &LetClause) {
        let name = &clause.ident.name;
        let hidden = self
            .scopes
            .last_mut()
            .and_then(|scope| scope.names.remove(name));
        self.value(&clause.value);
        if let (Some(hidden), Some(scope)) = (hidden, self.scopes.last_mut()) {
            scope.names.insert(name.clone(), hidden);
        }
    }

    fn comprehension(&mut self, comprehension: &Comprehension) {
        let depth = self.scopes.len();
        for clause in &comprehension.clauses {
            let variables: Vec<&Ident> = match clause {
                Clause::For(clause) => {
                    self.expr(&clause.source);
                    clause.key.iter().chain([&clause.value]).collect()
                }
                Clause::If(clause) => {
                    self.expr(&clause.condition);
                    continue;
                }
                Clause::Let(clause) => {
                    self.expr(&clause.value);
                    vec![&clause.ident]
                }
                Clause::Try(clause) => {
                    let Some((name, value)) = &clause.binding else {
                        continue;
                    };
                    self.expr(value);
                    vec![name]
                }
            };
            self.scopes.push(Scope::default());
            for variable in variables {
                self.insert(variable.name.clone(), What::Field, variable.span);
            }
        }
        self.body(&comprehension.value.decls);
        self.scopes.truncate(depth);
        if let Some(fallback) = &comprehension.fallback {
            self.body(&fallback.value.decls);
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            if let Part::Expr(expr) = part {
                self.expr(expr);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Struct(lit) => self.body(&lit.decls),
            Expr::List(list) => {
                for element in &list.elements {
                    match element {
                        Element::Expr(expr) | Element::Alias(_, expr) => self.expr(expr),
                        Element::Comprehension(comprehension) => self.comprehension(comprehension),
                    }
                }
                if let Some(rest) = list.ellipsis.as_ref().and_then(|rest| rest.expr.as_ref()) {
                    self.expr(rest);
                }
            }
            _ => parts_of(expr, &mut |part| self.expr(part)),
        }
    }
}

/// Calls with the expressions that one is made of; not with those inside structs and lists.
fn parts_of<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match expr {
        Expr::Interpolation(text) => {
            for part in &text.parts {
                if let Part::Expr(expr) = part {
                    visit(expr);
                }
            }
        }
        Expr::Paren(paren) => visit(&paren.expr),
        Expr::Selector(selector) => visit(&selector.base),
        Expr::Index(index) => {
            visit(&index.base);
            visit(&index.index);
        }
        Expr::Slice(slice) => {
            visit(&slice.base);
            slice.low.iter().for_each(&mut *visit);
            slice.high.iter().for_each(&mut *visit);
        }
        Expr::Call(call) => {
            visit(&call.function);
            call.arguments.iter().for_each(visit);
        }
        Expr::Unary(unary) => visit(&unary.expr),
        // A chain may be too long to recurse into.
        Expr::Binary(binary) => {
            let mut chain = vec![&binary.rhs];
            let mut left = &binary.lhs;
            while let Expr::Binary(inner) = left {
                chain.push(&inner.rhs);
                left = &inner.lhs;
            }
            visit(left);
            chain.into_iter().rev().for_each(visit);
        }
        Expr::Postfix(postfix) => visit(&postfix.expr),
        Expr::Ident(_)
        | Expr::Null(_)
        | Expr::Bool(..)
        | Expr::Number(_)
        | Expr::String(_)
        | Expr::Bytes(_)
        | Expr::Bottom(_)
        | Expr::Struct(_)
        | Expr::List(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::clashes;
    use pequod_cue_syntax::{FileId, parse_file};

    fn found(text: &str) -> Vec<String> {
        let file = parse_file(FileId(0), "t", text).unwrap();
        clashes(&file).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn fields_and_aliases_share_no_name() {
        let both = "cannot have both alias and field with name \"A\" in same scope";
        for text in [
            "let A = 1\nA: 2",
            "let A = 1\nb: {A: 2}",
            "{[A=string]: A: 1}",
            "A=b: {c: {A: 1}}",
            "b: A={A: 1}",
            "let A = 1\nfor A in [] {}",
        ] {
            assert_eq!(found(text), [both], "{text}");
        }
        for text in [
            "A: 1\nb: A: 2",
            "b: {let A = 1, c: A}\nd: A: 1",
            "let A = {A: 1}\nb: A",
            "for A in [] {A: 1}",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn aliases_and_imports_are_declared_once() {
        assert_eq!(
            found("let A = 1\nlet A = 2"),
            ["alias \"A\" redeclared in same scope"]
        );
        assert_eq!(found("let A = 1\nb: {let A = 2, c: A}"), [""; 0]);
        let declared = ["alias \"A\" already declared"];
        assert_eq!(found("A=[\"a\"]: 1\nA=(b): 1"), declared);
        assert_eq!(found("A=[\"a\"]: 1\nA=[\"b\"]: A"), declared);
        assert_eq!(found("A=[\"a\"]: 1\nb: A=[\"b\"]: A"), [""; 0]);
        // A field with the name of an import is refused where imports are resolved.
        assert_eq!(found("import \"crypto/md5\"\nmd5: md5.Sum(\"a\")"), [""; 0]);
        assert_eq!(
            found("import \"crypto/md5\"\nimport md5 \"list\""),
            ["md5 redeclared as imported package name"]
        );
        assert_eq!(
            found("import \"crypto/md5\"\na: md5: md5.Sum(\"a\")"),
            [""; 0]
        );
    }

    #[test]
    fn a_pattern_does_not_mention_what_it_matches() {
        assert_eq!(found("[a]: int\na: string").len(), 1);
        assert_eq!(found("{[a]: int}\na: string").len(), 1);
        assert_eq!(found("b: {[a]: int}\na: string"), [""; 0]);
        assert_eq!(found("[b.a]: int\na: string").len(), 1);
        assert_eq!(found("[string]: int\nstring: string").len(), 1);
    }
}
