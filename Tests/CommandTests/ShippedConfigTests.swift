import Foundation
import Testing
import Training

@testable import lora_dist

/// The configs that come with the project: each is read as it stands, and each says how it is launched.
@Suite struct ShippedConfigTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("configs")

    @Test func allDecode() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter {
            $0.hasSuffix(".yaml")
        }
        #expect(names.contains("quickstart.yaml"))
        for name in names {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
            #expect(text.hasPrefix("# ") && text.contains("lora-dist train --config configs/\(name)"), "\(name)")
            let read = try ConfigTree(yaml: text, file: name)
            _ = try RunConfig(
                tree: read.tree, origins: read.origins, needs: [.model, .trainingData, .outputFolder])
        }
    }
}
