pub(super) fn plan_or_apply(_: &super::View<'_>) -> String { String::new() }
pub(super) fn check(_: u64, _: &[crate::manifest::Diagnostic]) -> String { String::new() }
