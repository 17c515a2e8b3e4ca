// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {Base} from "./Base.t.sol";
import {SyntheticTree} from "./utils/SyntheticTree.sol";
import {vm} from "./utils/Vm.sol";

/// @notice What `anchor` costs: the whole transaction, as its receipt says it. The figures are kept in contracts/snapshots, in
/// a file named after compiler and optimiser, and every run compares them (`gas_snapshot_check` in foundry.toml). forge
/// passes over a figure that the file lacks, and writes the file anew with those of the tests that ran; hence `isCommitted`.
contract AnomalyLoggerGasTest is Base {
    string private constant GROUP = "anchor.solc-0.8.37.via-ir.runs-1000000.shanghai";

    /// @dev What the project promises for a log of a million entries.
    uint256 private constant CEILING = 79_000;

    function test_Gas_FirstBatch() external {
        AnomalyLogger logger = newLogger();
        snapshot("0 to 256", logger, keccak256("any root"), 256, new bytes32[](0), "");
    }

    // A batch of the default size at three sizes of the log.

    function test_Gas_BatchAt256() external {
        measure("256 to 512", 256, 512, "");
    }

    function test_Gas_BatchAt65536() external {
        measure("65536 to 65792", 65_536, 65_792, "");
    }

    function test_Gas_BatchAt1000000() external {
        measure("1000000 to 1000256", 1_000_000, 1_000_256, "");
    }

    // Batches whose sizes are no round numbers need longer proofs.

    function test_Gas_ShouldStayBelowTheCeiling() external {
        uint256 gas = measure("999999 to 1004095", 999_999, 1_004_095, "");
        assertTrue(gas <= CEILING, "999,999 to 1,004,095 costs more than was promised");
    }

    function test_Gas_LongestProofAtAMillion() external {
        measure("1048575 to 1052671", 2 ** 20 - 1, 2 ** 20 + 4095, "");
    }

    function test_Gas_Publication() external {
        bytes memory publication = new bytes(1024);
        for (uint256 i = 0; i < publication.length; i++) {
            publication[i] = 0x7b;
        }
        measure("1000000 to 1000256 with 1 KiB published", 1_000_000, 1_000_256, publication);
    }

    function test_Gas_Replay() external {
        AnomalyLogger logger = newLoggerAt(keccak256("root"), 256);
        snapshot("256 again", logger, keccak256("root"), 256, new bytes32[](0), "");
    }

    function measure(string memory name, uint64 first, uint64 second, bytes memory publication)
        private
        returns (uint256)
    {
        SyntheticTree.Growth memory growth = SyntheticTree.grow("gas", first, second);
        AnomalyLogger logger = newLoggerAt(growth.firstRoot, first);
        return snapshot(name, logger, growth.secondRoot, second, growth.proof, publication);
    }

    /// @dev A transaction pays 21,000, its input, and the execution with everything cold. (Where EIP-7623 is in force, a
    /// transaction that is almost all input, that is a long publication, pays 40 for each of its bytes instead.)
    function snapshot(
        string memory name,
        AnomalyLogger logger,
        bytes32 root,
        uint64 size,
        bytes32[] memory proof,
        bytes memory publication
    ) private returns (uint256 total) {
        total = 21_000 + inputGas(abi.encodeCall(AnomalyLogger.anchor, (root, size, proof, publication)));

        vm.cool(address(logger));
        vm.prank(ANCHORER);
        logger.anchor(root, size, proof, publication);
        total += vm.lastCallGas().gasTotalUsed;

        assertTrue(isCommitted(name), "contracts/snapshots lacks this figure: restore the file, or write it anew");
        vm.snapshotValue(GROUP, name, total);
    }

    function isCommitted(string memory name) private view returns (bool) {
        bool writesAnew = keccak256(bytes(vm.envOr("FORGE_SNAPSHOT_CHECK", string("")))) == keccak256("false");
        string memory file = string.concat("contracts/snapshots/", GROUP, ".json");
        return writesAnew || vm.keyExistsJson(vm.readFile(file), string.concat("$['", name, "']"));
    }

    /// @dev EIP-2028: 4 for a zero byte, 16 for any other.
    function inputGas(bytes memory input) private pure returns (uint256 gas) {
        for (uint256 i = 0; i < input.length; i++) {
            gas += input[i] == 0 ? 4 : 16;
        }
    }
}
