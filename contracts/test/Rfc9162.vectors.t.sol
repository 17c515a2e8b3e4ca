// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Base} from "./Base.t.sol";
import {Rfc9162Harness} from "./utils/Rfc9162Harness.sol";
import {Vm, vm} from "./utils/Vm.sol";

/// @notice Every file of tests/vectors, the same that Rust and WASM run.
contract Rfc9162VectorsTest is Base {
    /// @dev A directory that cannot be found must not pass as one without failures.
    uint256 private constant FEWEST = 35;

    Rfc9162Harness private verifier = new Rfc9162Harness();

    function test_Vectors_Inclusion() external view {
        Vm.DirEntry[] memory entries = vm.readDir("tests/vectors/inclusion", 2);
        uint256 count = 0;
        for (uint256 i = 0; i < entries.length; i++) {
            if (entries[i].isDir) continue;
            string memory json = vm.readFile(entries[i].path);
            bool accepted = verifier.verifyInclusion(
                vm.parseJsonBytes32(json, ".leafHash"),
                vm.parseJsonUint(json, ".index"),
                vm.parseJsonUint(json, ".size"),
                vm.parseJsonBytes32Array(json, ".proof"),
                vm.parseJsonBytes32(json, ".root")
            );
            assertTrue(accepted == wanted(json), entries[i].path);
            count++;
        }
        assertTrue(count >= FEWEST, "fewer inclusion vectors than there should be");
    }

    function test_Vectors_Consistency() external view {
        Vm.DirEntry[] memory entries = vm.readDir("tests/vectors/consistency", 2);
        uint256 count = 0;
        for (uint256 i = 0; i < entries.length; i++) {
            if (entries[i].isDir) continue;
            string memory json = vm.readFile(entries[i].path);
            bool accepted = verifier.verifyConsistency(
                vm.parseJsonUint(json, ".size1"),
                vm.parseJsonBytes32(json, ".root1"),
                vm.parseJsonUint(json, ".size2"),
                vm.parseJsonBytes32(json, ".root2"),
                vm.parseJsonBytes32Array(json, ".proof")
            );
            assertTrue(accepted == wanted(json), entries[i].path);
            count++;
        }
        assertTrue(count >= FEWEST, "fewer consistency vectors than there should be");
    }

    function wanted(string memory json) private pure returns (bool) {
        bytes32 want = keccak256(bytes(vm.parseJsonString(json, ".want")));
        if (want == keccak256("accept")) return true;
        assertTrue(want == keccak256("reject"), "want is neither accept nor reject");
        return false;
    }
}
