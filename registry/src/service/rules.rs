//! Rule sets: kept and given out with their schemas, and checked for their form. Clients run them.

use serde_json::Value as Json;

use super::Answer;
use crate::error::RegistryError;

/// The lists of a rule set with the modes that their rules may have.
const LISTS: [(&str, [&str; 3]); 3] = [
    ("migrationRules", ["UPGRADE", "DOWNGRADE", "UPDOWN"]),
    ("domainRules", ["WRITE", "READ", "WRITEREAD"]),
    ("encodingRules", ["WRITE", "READ", "WRITEREAD"]),
];

/// Refuses a rule without a name, or with a kind or a mode that there is not.
pub(super) fn check(rule_set: Option<&Json>) -> Answer<()> {
    let Some(rule_set) = rule_set else { return Ok(()) };
    for (list, modes) in LISTS {
        let rules = match rule_set.get(list) {
            None | Some(Json::Null) => continue,
            Some(Json::Array(rules)) => rules,
            Some(other) => return wrong(format!("{list} must be a list, not {other}")),
        };
        for rule in rules {
            check_rule(rule, list, &modes)?;
        }
    }
    Ok(())
}

fn check_rule(rule: &Json, list: &str, modes: &[&str]) -> Answer<()> {
    let text = |key: &str| rule.get(key).and_then(Json::as_str).unwrap_or_default();
    let name = text("name");
    if name.is_empty() {
        return wrong(format!("a rule of {list} has no name"));
    }
    if !matches!(text("kind"), "" | "TRANSFORM" | "CONDITION") {
        let kind = text("kind");
        return wrong(format!("the kind of rule {name} is {kind}, not TRANSFORM or CONDITION"));
    }
    let mode = text("mode");
    if !mode.is_empty() && !modes.contains(&mode) {
        let modes = modes.join(", ");
        return wrong(format!("the mode of rule {name} is {mode}; in {list} it is one of {modes}"));
    }
    Ok(())
}

fn wrong(reason: String) -> Answer<()> {
    Err(RegistryError::InvalidRuleSet(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_need_a_name_and_a_kind_and_mode_that_exist() {
        let checked = |rule: Json| check(Some(&json!({"domainRules": [rule]}))).is_ok();
        assert!(checked(json!({"name": "r", "kind": "CONDITION", "mode": "WRITE"})));
        assert!(!checked(json!({"kind": "CONDITION", "mode": "WRITE"})));
        assert!(!checked(json!({"name": "r", "kind": "WISH", "mode": "WRITE"})));
        assert!(!checked(json!({"name": "r", "kind": "CONDITION", "mode": "UPGRADE"})));
        assert!(check(Some(&json!({"migrationRules": null}))).is_ok());
    }
}
