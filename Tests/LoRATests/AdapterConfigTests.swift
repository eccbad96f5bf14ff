import JSONText
import LoRA
import Testing
import WeightFiles

private func parse(_ text: String) throws -> AdapterConfig { try AdapterConfig(json: Array(text.utf8), file: "a.json") }

private func withParts(_ bias: AdapterConfig.Bias, _ modules: [AdapterConfig.WholeModule]) -> AdapterConfig {
    var config = AdapterConfig(r: 4, loraAlpha: 8, targetModules: .list(["q_proj"]))
    config.bias = bias
    config.modulesToSave = modules
    return config
}

/// A config with one more member.
private func with(_ member: String) -> String {
    #"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], \#(member)}"#
}

@Test func readsWhatOldReleasesWrote() throws {
    let config = try parse(
        """
        {"base_model_name_or_path": "some/model", "bias": "none", "enable_lora": null, "fan_in_fan_out": false,
         "inference_mode": true, "lora_alpha": 16.5, "lora_dropout": 0.05, "merge_weights": false, "modules_to_save": null,
         "peft_type": "LORA", "r": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
        """)
    #expect(
        config
            == AdapterConfig(
                r: 8, loraAlpha: 16.5, loraDropout: 0.05, targetModules: .list(["q_proj", "v_proj"]),
                baseModelName: "some/model"))
    #expect(config.scaling == 16.5 / 8)
}

@Test func missingKeysHaveTheDefaultsOfPEFT() throws {
    let config = try parse(#"{"peft_type": "LORA", "target_modules": "all-linear"}"#)
    #expect(config == AdapterConfig(r: 8, loraAlpha: 8))
}

@Test func rankStabilizedScalingDividesByTheRoot() {
    #expect(AdapterConfig(r: 16, loraAlpha: 32, useRSLoRA: true).scaling == 8)
    #expect(AdapterConfig(r: 16, loraAlpha: 32).scaling == 2)
}

@Test func writesTheKeysThatEveryReleaseReads() {
    let config = AdapterConfig(
        r: 4, loraAlpha: 8, loraDropout: 0.1, targetModules: .list(["v_proj", "q_proj", "v_proj"]), useRSLoRA: true,
        baseModelName: "tied")
    #expect(
        config.json(modules: []) == """
            {
              "base_model_name_or_path": "tied",
              "bias": "none",
              "fan_in_fan_out": false,
              "inference_mode": true,
              "init_lora_weights": true,
              "layers_pattern": null,
              "layers_to_transform": null,
              "lora_alpha": 8,
              "lora_dropout": 0.1,
              "modules_to_save": null,
              "peft_type": "LORA",
              "r": 4,
              "revision": null,
              "target_modules": [
                "q_proj",
                "v_proj"
              ],
              "task_type": "CAUSAL_LM",
              "use_rslora": true
            }
            """)
}

@Test func targetModulesAreWrittenAsNames() throws {
    let modules = ["model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]
    func written(_ target: TargetModules) throws -> TargetModules {
        try parse(AdapterConfig(r: 4, loraAlpha: 8, targetModules: target).json(modules: modules)).targetModules
    }
    #expect(try written(.allLinear) == .list(["q_proj", "up_proj"]))
    #expect(try written(.regex(".*")) == .list(modules))
}

@Test(arguments: [
    AdapterConfig(r: 4, loraAlpha: 8.5, loraDropout: 0.25, targetModules: .list(["q_proj"]), baseModelName: "é\""),
    withParts(.all, [.embedding]), withParts(.loraOnly, [.embedding, .head]),
])
func writtenConfigsReadBack(_ config: AdapterConfig) throws {
    #expect(try parse(config.json(modules: [])) == config)
}

@Test(arguments: [
    #""use_dora": "yes""#, #""loftq_config": {"loftq_bits": 4}"#, #""modules_to_save": ["norm"]"#,
    #""rank_pattern": {"q_proj": 0}"#, #""alpha_pattern": {"(": 8}"#, #""lora_bias": true"#, #""bias": "some""#,
    #""task_type": "SEQ_CLS""#, #""layers_to_transform": [-1]"#, #""exclude_modules": [3]"#, #""use_qalora": true"#,
    #""trainable_token_indices": [3]"#, #""layer_replication": [[0, 2]]"#, #""init_lora_weights": "olora""#,
    #""init_lora_weights": "pissa_niter_x""#,
    #""fan_in_fan_out": true"#, #""alora_invocation_tokens": [1]"#, #""target_parameters": ["w"]"#,
    #""a_future_feature": 2"#, #""peft_type": "LOHA""#, #""r": 0"#, #""r": 2.5"#, #""lora_alpha": "8""#,
    #""lora_dropout": 1.0"#, #""use_rslora": "yes""#, #""target_modules": [1]"#, #""target_modules": null"#,
    #""base_model_name_or_path": 3"#,
])
func unsupportedFeaturesAreRefusedByName(_ member: String) throws {
    let error = try #require(throws: WeightFileError.self) { try parse(with(member)) }
    let key = try #require(member.split(separator: "\"").first)
    #expect(error.description.hasPrefix("a.json: \(key) ") || error.description.hasPrefix("a.json: \(key): "))
}

@Test(arguments: [
    #""use_dora": false"#, #""rank_pattern": {}"#, #""layers_to_transform": null"#, #""a_future_feature": null"#,
    #""init_lora_weights": true"#, #""exclude_modules": []"#, #""peft_version": "0.99""#, #""task_type": null"#,
])
func featuresThatAreOffAreAccepted(_ member: String) throws {
    #expect(try parse(with(member)) == AdapterConfig(r: 4, loraAlpha: 8, targetModules: .list(["q_proj"])))
}

@Test func doraAndPiSSAAreReadAndWritten() throws {
    for (name, iterations) in [("pissa", nil), ("pissa_niter_0", 0), ("pissa_niter_16", 16)] as [(String, Int?)] {
        let config = try parse(with(#""use_dora": true, "init_lora_weights": "\#(name)""#))
        #expect(config.useDoRA && config.initLoRAWeights == .pissa(iterations: iterations))
        #expect(config.initLoRAWeights.pissaName == name)
        #expect(try parse(config.json(modules: [])) == config)
    }
    #expect(!AdapterConfig(r: 4, loraAlpha: 8).json(modules: []).contains("use_dora"))
    for name in ["pissa_niter_", "pissa_niter_-1", "pissa_niter_4x", "PiSSA", "pissa_niter_99999"] {
        #expect(AdapterConfig.InitLoRAWeights(pissa: name) == nil, "\(name)")
    }
}

@Test(arguments: [("{", "not valid JSON"), ("[]", "an object was expected"), ("{}", "peft_type is missing")])
func whatIsNoConfigIsRefused(_ text: String, _ reason: String) throws {
    let error = try #require(throws: WeightFileError.self) { try parse(text) }
    #expect(error.reason.contains(reason))
}
