//! Derived channels: `(B08 - B04) / (B08 + B04)` as a manifest writes it, read once into steps for a stack machine.
//!
//! A grammar of + − * / with parentheses, a sign, numbers, names and `min(a, b)`, `max(a, b)`; names are those of the
//! file's bands. What is read is bounded in bytes, depth and steps, so that a manifest cannot ask for unbounded work.

use std::fmt;

use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_STEPS_MAX};
use crate::quoted::quoted;

/// An arithmetic expression over bands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    steps: Vec<Step>,
    names: Vec<String>,
}

/// One step in postfix order: an operand is pushed, an operator takes its operands off and pushes the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A number.
    Number(f64),
    /// The band at this place of [`Expression::names`].
    Band(usize),
    /// The top of the stack with the other sign.
    Negate,
    /// Of the upper two, the lower first.
    Two(Operator),
}

/// An operator with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a · b
    Multiply,
    /// a / b
    Divide,
    /// The lesser; NaN where either is.
    Min,
    /// The greater; NaN where either is.
    Max,
}

impl Operator {
    /// The operator's value, by the rules of IEEE 754: nothing is an error, and what has no value is not finite.
    pub fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            // f64::min and f64::max would hide a NaN.
            Self::Min if a < b || a.is_nan() => a,
            Self::Max if a > b || a.is_nan() => a,
            Self::Min | Self::Max => b,
        }
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong, and at which character of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("has {} bytes, at most {EXPRESSION_BYTES_MAX} are read", text.len()));
        }
        let mut parser = Parser { text, at: 0, depth: 0, steps: Vec::new(), names: Vec::new() };
        parser.sum()?;
        match parser.peek() {
            None => Ok(Self { text: text.trim().to_owned(), steps: parser.steps, names: parser.names }),
            Some(letter) => Err(parser.wrong(&format!("an operator or the end, not {letter:?}"))),
        }
    }

    /// The bands that it takes, each once, in the order in which the text first names them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The steps, which leave one value on the stack.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    steps: Vec<Step>,
    names: Vec<String>,
}

impl<'a> Parser<'a> {
    /// product (('+' | '-') product)*
    fn sum(&mut self) -> Result<(), String> {
        self.product()?;
        while let Some(letter @ ('+' | '-')) = self.peek() {
            self.at += 1;
            self.product()?;
            self.push(Step::Two(if letter == '+' { Operator::Add } else { Operator::Subtract }))?;
        }
        Ok(())
    }

    /// signed (('*' | '/') signed)*
    fn product(&mut self) -> Result<(), String> {
        self.signed()?;
        while let Some(letter @ ('*' | '/')) = self.peek() {
            self.at += 1;
            self.signed()?;
            self.push(Step::Two(if letter == '*' { Operator::Multiply } else { Operator::Divide }))?;
        }
        Ok(())
    }

    /// ('-' | '+') signed | number | '(' sum ')' | name | ('min' | 'max') '(' sum ',' sum ')'
    fn signed(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(format!("is nested deeper than {EXPRESSION_DEPTH_MAX}"));
        }
        match self.peek() {
            Some(sign @ ('-' | '+')) => {
                self.at += 1;
                self.signed()?;
                if sign == '-' {
                    self.push(Step::Negate)?;
                }
            }
            Some('(') => {
                self.at += 1;
                self.sum()?;
                self.expect(')')?;
            }
            Some(letter) if letter.is_ascii_digit() || letter == '.' => self.number()?,
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => self.name()?,
            Some(letter) => return Err(self.wrong(&format!("a band, a number or '(', not {letter:?}"))),
            None => return Err(self.wrong("a band, a number or '(', not the end")),
        }
        self.depth -= 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let is_digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        let mut end = rest.find(|letter| !is_digit(letter)).unwrap_or(rest.len());
        // An exponent, if digits follow: 1e-4.
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let count = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
            if count > 0 {
                end = rest.len() - digits.len() + count;
            }
        }
        let number = rest[..end].parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| self.wrong(&format!("a number, not {}", quoted(&rest[..end]))))?;
        self.at += end;
        self.push(Step::Number(number))
    }

    fn name(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let is_inside = |letter: char| letter.is_ascii_alphanumeric() || "_.:".contains(letter);
        let name = &rest[..rest.find(|letter| !is_inside(letter)).unwrap_or(rest.len())];
        self.at += name.len();
        if self.peek() == Some('(') {
            return self.function(name);
        }
        let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        self.push(Step::Band(place))
    }

    fn function(&mut self, name: &str) -> Result<(), String> {
        let operator = match name {
            "min" => Operator::Min,
            "max" => Operator::Max,
            _ => return Err(format!("calls {}; the functions are min(a, b) and max(a, b)", quoted(name))),
        };
        self.at += 1;
        self.sum()?;
        self.expect(',')?;
        self.sum()?;
        self.expect(')')?;
        self.push(Step::Two(operator))
    }

    fn push(&mut self, step: Step) -> Result<(), String> {
        if self.steps.len() == EXPRESSION_STEPS_MAX {
            return Err(format!("has more than {EXPRESSION_STEPS_MAX} numbers, bands and operators"));
        }
        self.steps.push(step);
        Ok(())
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        match self.peek() {
            Some(found) if found == letter => {
                self.at += 1;
                Ok(())
            }
            Some(found) => Err(self.wrong(&format!("{letter:?}, not {found:?}"))),
            None => Err(self.wrong(&format!("{letter:?}, not the end"))),
        }
    }

    /// The next character after white space, which is passed over.
    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, expected: &str) -> String {
        let character = self.text[..self.at].chars().count() + 1;
        format!("at character {character}: expected {expected}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, bands: &[(&str, f64)]) -> f64 {
        let expression = Expression::parse(text).unwrap();
        let mut stack = Vec::new();
        for step in expression.steps() {
            match *step {
                Step::Number(number) => stack.push(number),
                Step::Band(place) => {
                    stack.push(bands.iter().find(|(name, _)| *name == expression.names()[place]).unwrap().1)
                }
                Step::Negate => {
                    let top = stack.pop().unwrap();
                    stack.push(-top);
                }
                Step::Two(operator) => {
                    let (b, a) = (stack.pop().unwrap(), stack.pop().unwrap());
                    stack.push(operator.apply(a, b));
                }
            }
        }
        assert_eq!(stack.len(), 1, "{text}");
        stack[0]
    }

    #[test]
    fn operators_bind_as_in_arithmetic() {
        let bands = [("B04", 0.1), ("B08", 0.3), ("VV_DESC", -12.0), ("b", 4.0)];
        for (text, expected) in [
            ("(B08 - B04) / (B08 + B04)", 0.5),
            ("1 - 2 - 3", -4.0),
            ("8/4/2", 1.0),
            ("2+3*4", 14.0),
            ("-VV_DESC*2", 24.0),
            ("2 - -3", 5.0),
            ("-(1+2)*3", -9.0),
            ("1e-4*b", 4e-4),
            ("2e", f64::NAN),
            (".5*b", 2.0),
            ("min(b, 3) + max(B04, B08)", 3.3),
            ("max(-1, min(1, VV_DESC))", -1.0),
        ] {
            if expected.is_nan() {
                assert!(Expression::parse(text).is_err(), "{text}");
            } else {
                assert!((value(text, &bands) - expected).abs() < 1e-12, "{text}");
            }
        }
    }

    #[test]
    fn min_and_max_hide_no_nan() {
        for operator in [Operator::Min, Operator::Max] {
            assert!(operator.apply(f64::NAN, 1.0).is_nan() && operator.apply(1.0, f64::NAN).is_nan());
        }
    }

    #[test]
    fn names_stand_once_in_the_order_of_the_text() {
        let expression = Expression::parse(" (B8A-B04)/(B8A+B04) ").unwrap();
        assert_eq!(expression.names(), ["B8A", "B04"]);
        assert_eq!(expression.to_string(), "(B8A-B04)/(B8A+B04)");
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_place() {
        for (text, said) in [
            ("", "not the end"),
            ("B04 +", "at character 6: expected a band, a number or '(', not the end"),
            ("(B04", "expected ')'"),
            ("B04 B08", "at character 5: expected an operator or the end, not 'B'"),
            ("B04 ^ 2", "'^'"),
            ("1.2.3", "\"1.2.3\""),
            ("1e999", "a number"),
            ("sqrt(B04)", "calls \"sqrt\""),
            ("min(B04)", "expected ','"),
            ("B04 − B08", "at character 5"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn length_depth_and_steps_are_bounded() {
        assert!(Expression::parse(&"x".repeat(EXPRESSION_BYTES_MAX + 1)).unwrap_err().contains("bytes"));
        for open in ["(", "-", "min("] {
            assert!(
                Expression::parse(&open.repeat(EXPRESSION_DEPTH_MAX + 1)).unwrap_err().contains("deeper"),
                "{open}"
            );
        }
        let long = "a+".repeat(EXPRESSION_STEPS_MAX / 2 + 1) + "a";
        assert!(Expression::parse(&long).unwrap_err().contains("more than"));
    }
}
