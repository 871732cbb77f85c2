//! Comprehensions.

use super::{Parsed, Parser};
use crate::ast::{
    Clause, Comprehension, Fallback, ForClause, Ident, IfClause, LetClause, TryClause,
};
use crate::token::Kind;

impl Parser<'_> {
    /// `Comprehension = Clause { [ "," ] Clause } Struct [ Fallback ] .`
    ///
    /// Begins at `for`, `if` or `try`. The first two may turn out to be names, by what follows them:
    /// then the name is returned instead.
    pub(super) fn comprehension(&mut self, context: &str) -> Parsed<Result<Comprehension, Ident>> {
        let (start, doc) = (self.token.start, self.doc());
        let mut clauses = Vec::new();
        match self.first_clause()? {
            Ok(clause) => clauses.push(clause),
            Err(ident) => return Ok(Err(ident)),
        }
        loop {
            if self.token.kind.is_comma() {
                self.advance()?;
            }
            let start = self.token.start;
            let clause = match self.token.kind {
                Kind::For | Kind::If | Kind::Try => {
                    let keyword = self.token.kind;
                    self.advance()?;
                    self.clause(keyword, start)?
                }
                Kind::Let => {
                    self.advance()?;
                    Clause::Let(self.let_clause(start)?)
                }
                _ => break,
            };
            clauses.push(clause);
        }
        let value = self.structure()?;
        let fallback = match self.token.kind {
            Kind::Else | Kind::Fallback | Kind::Otherwise => Some(self.fallback(&clauses)?),
            _ => None,
        };
        let span = self.since(start);
        let closer = if context == "list literal" {
            Kind::BracketClose
        } else {
            Kind::BraceClose
        };
        self.at_comma(context, &[closer])?;
        Ok(Ok(Comprehension {
            clauses,
            value,
            fallback,
            span,
            doc,
        }))
    }

    fn first_clause(&mut self) -> Parsed<Result<Clause, Ident>> {
        let keyword = self.token.kind;
        let word = self.word()?;
        let is_name = match self.token.kind {
            Kind::Colon | Kind::Bind | Kind::Option | Kind::Comma | Kind::Newline | Kind::Eof => {
                keyword != Kind::Try
            }
            Kind::Not if keyword == Kind::For => true,
            Kind::Not if keyword == Kind::If => self.peek()? == Kind::Colon,
            _ => false,
        };
        if is_name {
            return Ok(Err(word));
        }
        self.clause(keyword, word.span.start).map(Ok)
    }

    /// What follows `for`, `if` or `try`.
    fn clause(&mut self, keyword: Kind, start: u32) -> Parsed<Clause> {
        match keyword {
            Kind::For => self.for_clause(start),
            Kind::If => {
                let condition = self.expr()?;
                Ok(Clause::If(IfClause {
                    condition,
                    span: self.since(start),
                }))
            }
            _ => self.try_clause(start),
        }
    }

    /// `For = "for" identifier [ "," identifier ] "in" Expression .`
    fn for_clause(&mut self, start: u32) -> Parsed<Clause> {
        let mut value = self.ident_decl()?;
        let mut key = None;
        if self.token.kind.is_comma() {
            self.advance()?;
            key = Some(std::mem::replace(&mut value, self.ident_decl()?));
        }
        self.expect(Kind::In)?;
        let source = self.expr()?;
        Ok(Clause::For(ForClause {
            key,
            value,
            source,
            span: self.since(start),
        }))
    }

    /// `Let = "let" identifier "=" Expression .`
    pub(super) fn let_clause(&mut self, start: u32) -> Parsed<LetClause> {
        let ident = self.ident_decl()?;
        self.expect(Kind::Bind)?;
        let value = self.expr()?;
        Ok(LetClause {
            ident,
            value,
            span: self.since(start),
        })
    }

    /// `Try = "try" [ identifier "=" Expression ] .`
    fn try_clause(&mut self, start: u32) -> Parsed<Clause> {
        if !self.experiments.try_clause {
            self.report(start, "try clause requires @experiment(try)");
        }
        let mut binding = None;
        if self.at(Kind::Ident) {
            let ident = self.ident()?;
            self.expect(Kind::Bind)?;
            binding = Some((ident, self.expr()?));
        }
        Ok(Clause::Try(TryClause {
            binding,
            span: self.since(start),
        }))
    }

    /// `Fallback = ( "else" | "otherwise" | "fallback" ) Struct .`
    ///
    /// `else` belongs to a single `if` or `try`, the other two to everything else.
    fn fallback(&mut self, clauses: &[Clause]) -> Parsed<Fallback> {
        let start = self.token.start;
        if !self.experiments.try_clause {
            let word = self.token.kind.name();
            self.report(start, format!("{word} requires @experiment(try)"));
        }
        let single = matches!(clauses, [Clause::If(_) | Clause::Try(_)]);
        match (single, self.at(Kind::Else)) {
            (true, false) => {
                self.report(start, "use 'else' with single 'if' or 'try' clause");
            }
            (false, true) => self.report(
                start,
                "use 'otherwise' for comprehensions with multiple clauses or 'for' clauses",
            ),
            _ => {}
        }
        self.advance()?;
        let value = self.structure()?;
        Ok(Fallback {
            value,
            span: self.since(start),
        })
    }
}
