// The inner loops of lora-dist. Each header is about one thing; the instruction set is chosen at run time.
#pragma once
#include "dequantize.h"
#include "elementwise.h"
