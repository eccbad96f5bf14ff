public import ChatTemplates
public import Datasets
public import JSONText
public import LoRA
public import Models
public import Tokenizers
public import WeightFiles

// What the targets below throw for files and data that cannot be used ends a command with code 3.

extension JSONError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension WeightFileError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension TokenizerError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension TemplateError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension DatasetError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension ModelError: UserFacingError {
    public var exitCode: Int32 { 3 }
}

extension ModuleSettingError: UserFacingError {
    public var exitCode: Int32 { 3 }
}
