// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Warnings are errors where CI is set; a user's newer compiler may warn without breaking the build.
let strictness: [SwiftSetting] =
    ProcessInfo.processInfo.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]
let common: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
    ] + strictness
/// launch/sanitize.sh builds the engine and the readers alone for its short form.
let isPart = ProcessInfo.processInfo.environment["LORA_DIST_PART"] != nil
/// Targets that touch pointers: Tensors, Collectives, WeightFiles, JSONText. All others must say `unsafe` where they do.
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

let package = Package(
    name: "lora-dist",
    products: [.executable(name: "lora-dist", targets: ["lora-dist"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .target(name: "CKernels"),
        .target(name: "JSONText", swiftSettings: common),
        .target(name: "Tensors", dependencies: ["COpenBLAS", "CKernels"], swiftSettings: common),
        .target(name: "Collectives", dependencies: ["COpenMPI"], swiftSettings: common),
        .target(name: "WeightFiles", dependencies: ["JSONText"], swiftSettings: common),
        .target(name: "Layers", dependencies: ["Tensors"], swiftSettings: safe),
        .target(name: "LoRA", dependencies: ["JSONText", "Tensors", "WeightFiles"], swiftSettings: safe),
        .target(
            name: "Models", dependencies: ["JSONText", "Tensors", "WeightFiles", "Layers", "LoRA"],
            swiftSettings: safe),
        .target(name: "Tokenizers", dependencies: ["JSONText", "WeightFiles"], swiftSettings: safe),
        .target(name: "ChatTemplates", dependencies: ["JSONText"], swiftSettings: safe),
        .target(
            name: "Datasets", dependencies: ["JSONText", "WeightFiles", "Tokenizers", "ChatTemplates"],
            swiftSettings: safe),
        .target(
            name: "Training",
            dependencies: [
                "JSONText", "Tensors", "Collectives", "WeightFiles", "Layers", "LoRA", "Models", "Tokenizers",
                "ChatTemplates", "Datasets", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: safe),
        .executableTarget(
            name: "lora-dist",
            dependencies: [
                "JSONText", "Training", "Tensors", "Collectives", "WeightFiles", "LoRA", "Models", "Tokenizers",
                "ChatTemplates", "Datasets", "Yams",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: safe),
        .testTarget(name: "JSONTextTests", dependencies: ["JSONText"], swiftSettings: common),
        .target(name: "KernelSets", dependencies: ["CKernels"], path: "Tests/KernelSets"),
        .testTarget(
            name: "TensorsTests", dependencies: ["Tensors", "CKernels", "KernelSets", "COpenBLAS"],
            swiftSettings: common),
        .testTarget(name: "CollectivesTests", dependencies: ["Collectives"], swiftSettings: common),
        .testTarget(
            name: "WeightFilesTests",
            dependencies: ["WeightFiles", "Tensors", "CKernels", "JSONText"],
            exclude: ["Fixtures"], swiftSettings: common),
        .testTarget(name: "LayersTests", dependencies: ["Layers", "Tensors"], swiftSettings: common),
        .testTarget(
            name: "LoRATests", dependencies: ["LoRA", "Tensors", "WeightFiles", "JSONText"], exclude: ["Fixtures"],
            swiftSettings: common),
        .testTarget(
            name: "ModelsTests",
            dependencies: ["Models", "LoRA", "Layers", "Tensors", "WeightFiles", "JSONText"],
            exclude: ["Fixtures"], swiftSettings: common),
        .testTarget(
            name: "TokenizersTests", dependencies: ["Tokenizers", "WeightFiles", "JSONText"], exclude: ["Fixtures"],
            swiftSettings: common),
        .testTarget(
            name: "ChatTemplatesTests", dependencies: ["ChatTemplates", "JSONText"], exclude: ["Fixtures"],
            swiftSettings: common),
        .testTarget(
            name: "DatasetsTests",
            dependencies: ["Datasets", "Tokenizers", "ChatTemplates", "JSONText", "WeightFiles"],
            exclude: ["Fixtures"], swiftSettings: common),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Models", "LoRA", "Tensors", "Collectives", "WeightFiles", "JSONText", "Datasets",
            ],
            exclude: ["Fixtures"], swiftSettings: common),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "lora-dist", "Training", "JSONText", "WeightFiles", .product(name: "Crypto", package: "swift-crypto"),
            ],
            exclude: ["Fixtures"],
            swiftSettings: common),
        .target(
            name: "Untrusted",
            dependencies: [
                "JSONText", "WeightFiles", "LoRA", "Models", "Tokenizers", "ChatTemplates", "Datasets",
            ],
            path: "Tests/Untrusted", swiftSettings: common),
        .testTarget(
            name: "UntrustedTests", dependencies: ["Untrusted"], exclude: ["KnownBad"], swiftSettings: common),
    ]
        // launch/fuzz.sh builds it; it has no main function but libFuzzer's.
        + (ProcessInfo.processInfo.environment["LORA_DIST_FUZZ"] == nil
            ? []
            : [
                .executableTarget(
                    name: "fuzz", dependencies: ["Untrusted"], path: "Tests/Fuzz", exclude: ["Seeds", "Dictionaries"],
                    swiftSettings: common)
            ])
)

if isPart {
    let part: Set<String> = [
        "COpenMPI", "COpenBLAS", "CKernels", "KernelSets", "JSONText", "Tensors", "Collectives", "WeightFiles",
        "Layers", "JSONTextTests", "TensorsTests", "WeightFilesTests", "LayersTests",
    ]
    package.targets.removeAll { !part.contains($0.name) }
    package.products = []
    package.dependencies = []
}
