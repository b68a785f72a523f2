//! Expressions in words, as ksqlDB's messages and DESCRIBE show them.

use crate::parser::ast::{Expr, ExprKind, Literal, TypeName};

/// The expression as a statement could have written it.
pub(crate) fn shown(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Column { source, name } => match source {
            Some(source) => format!("{}.{}", source.name, name.name),
            None => name.name.clone(),
        },
        ExprKind::Literal(literal) => literal_text(literal),
        ExprKind::Negate(inner) => format!("-{}", shown(inner)),
        ExprKind::Not(inner) => format!("(NOT {})", shown(inner)),
        ExprKind::And(l, r) => format!("({} AND {})", shown(l), shown(r)),
        ExprKind::Or(l, r) => format!("({} OR {})", shown(l), shown(r)),
        ExprKind::Arithmetic { op, left, right } => {
            format!("({} {} {})", shown(left), op.symbol(), shown(right))
        }
        ExprKind::Compare { op, left, right } => {
            format!("({} {} {})", shown(left), op.symbol(), shown(right))
        }
        ExprKind::Between { value, low, high, negated } => {
            format!(
                "({} {}BETWEEN {} AND {})",
                shown(value),
                not(*negated),
                shown(low),
                shown(high)
            )
        }
        ExprKind::In { value, list, negated } => {
            format!("({} {}IN ({}))", shown(value), not(*negated), joined(list))
        }
        ExprKind::Like { value, pattern, negated, .. } => {
            format!("({} {}LIKE {})", shown(value), not(*negated), shown(pattern))
        }
        ExprKind::IsNull { value, negated } => {
            format!("({} IS {}NULL)", shown(value), not(*negated))
        }
        ExprKind::Case { operand, whens, otherwise } => {
            let operand = operand.as_ref().map_or(String::new(), |o| format!(" {}", shown(o)));
            let whens: String = whens
                .iter()
                .map(|(w, t)| format!(" WHEN {} THEN {}", shown(w), shown(t)))
                .collect();
            let otherwise =
                otherwise.as_ref().map_or(String::new(), |o| format!(" ELSE {}", shown(o)));
            format!("(CASE{operand}{whens}{otherwise} END)")
        }
        ExprKind::Cast { value, target } => {
            format!("CAST({} AS {})", shown(value), type_text(target))
        }
        ExprKind::Call { name, star: true, .. } => format!("{}(*)", name.name),
        ExprKind::Call { name, arguments, .. } => format!("{}({})", name.name, joined(arguments)),
        ExprKind::Lambda { parameters, body } => {
            let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
            format!("({}) => {}", names.join(", "), shown(body))
        }
        ExprKind::Subscript { base, index } => format!("{}[{}]", shown(base), shown(index)),
        ExprKind::Field { base, name } => format!("{}->{}", shown(base), name.name),
        ExprKind::Array(items) => format!("ARRAY[{}]", joined(items)),
        ExprKind::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(k, v)| format!("{}:={}", shown(k), shown(v))).collect();
            format!("MAP({})", entries.join(", "))
        }
        ExprKind::Struct(members) => {
            let members: Vec<String> =
                members.iter().map(|(n, v)| format!("{}:={}", n.name, shown(v))).collect();
            format!("STRUCT({})", members.join(", "))
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn joined(list: &[Expr]) -> String {
    list.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Boolean(b) => b.to_string(),
        Literal::Integer(n) => n.to_string(),
        Literal::Bigint(n) => n.to_string(),
        Literal::Decimal(digits) => digits.clone(),
        Literal::Double(n) => formats::java_double(*n),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

pub(crate) fn type_text(ty: &TypeName) -> String {
    match ty {
        TypeName::Known(ty) => ty.to_string(),
        TypeName::Custom(name) => name.name.clone(),
        TypeName::Array(item) => format!("ARRAY<{}>", type_text(item)),
        TypeName::Map(key, value) => format!("MAP<{}, {}>", type_text(key), type_text(value)),
        TypeName::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(n, ty)| format!("{} {}", n.name, type_text(ty))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
    }
}
