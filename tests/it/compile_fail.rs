//! I1: writing tags without the gate does not compile. Each case is one way around, with the compiler's refusal.

#[test]
fn i1_the_ways_around_the_gate_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
