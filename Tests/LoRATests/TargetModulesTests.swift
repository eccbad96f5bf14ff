import LoRA
import Testing

private let modules =
    (0..<3).flatMap { layer in
        ["self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"].map { "model.layers.\(layer).\($0)" }
    } + ["lm_head"]

@Test func allLinearIsEverythingButTheHead() throws {
    #expect(try TargetModules.allLinear.select(from: modules) == Array(modules.dropLast()))
}

/// Expected values are what PEFT's `check_target_module_exists` answers.
@Test(arguments: [
    (
        ["q_proj"],
        ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.2.self_attn.q_proj"]
    ),
    (["layers.1.mlp.up_proj"], ["model.layers.1.mlp.up_proj"]),
    (["model.layers.2.self_attn.v_proj", "lm_head"], ["model.layers.2.self_attn.v_proj", "lm_head"]),
])
func listsMatchWholeLastParts(_ suffixes: [String], _ expected: [String]) throws {
    #expect(try TargetModules.list(suffixes).select(from: modules) == expected)
}

@Test(arguments: [
    #"model\.layers\.[01]\.self_attn\.(q|v)_proj"#, #".*\.(?:0|1)\..*[qv]_proj"#, #"(?P<all>.+\.[^2]\.self_attn.+)"#,
])
func regularExpressionsMatchTheWholeName(_ pattern: String) throws {
    let expected = [0, 1].flatMap { ["model.layers.\($0).self_attn.q_proj", "model.layers.\($0).self_attn.v_proj"] }
    #expect(try TargetModules(pattern).select(from: modules) == expected)
}

@Test func stringsMeanAllLinearOrARegularExpression() {
    #expect(TargetModules("all-linear") == .allLinear)
    #expect(TargetModules("All-Linear") == .allLinear)
    #expect(TargetModules("q_proj") == .regex("q_proj"))
}

@Test func aModelOfAHeadHasNothingToAdapt() throws {
    let error = try #require(throws: ModuleSettingError.self) {
        try TargetModules.allLinear.select(from: ["lm_head"])
    }
    #expect(error.reason == "all-linear finds no linear layer but the head; the model's are lm_head (in full: lm_head)")
}

@Test(arguments: [
    (
        TargetModules.list(["q_proj", "gate_porj"]),
        "\"gate_porj\" matches no linear layer; the model's are q_proj, v_proj"
    ),
    // A last part is a whole one: "proj" is not the last part of "q_proj".
    (.list(["proj"]), "\"proj\" matches no linear layer"), (.list([""]), "\"\" matches no linear layer"),
    (.list([]), "empty list"), (.regex("q_proj"), "write a list"), (.regex("("), "cannot be read"),
])
func whatMatchesNothingIsRefused(_ target: TargetModules, _ reason: String) throws {
    let error = try #require(throws: ModuleSettingError.self) { try target.select(from: modules) }
    #expect(error.description.contains(reason) && error.key == "target_modules")
}
