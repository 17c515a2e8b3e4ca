// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Deploy} from "../script/Deploy.s.sol";
import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {Base} from "./Base.t.sol";
import {vm} from "./utils/Vm.sol";

/// @notice The deploy script, with and without a predecessor.
/// @dev One test and not two: the environment belongs to the whole process, and tests run side by side.
contract DeployTest is Base {
    function test_Deploy() external {
        vm.setEnv("LOG_ID", vm.toString(LOG_ID));
        vm.setEnv("OWNER", vm.toString(OWNER));
        vm.setEnv("ANCHORER", vm.toString(ANCHORER));

        (AnomalyLogger first, uint256 chainId, bytes32 codeHash) = new Deploy().run();
        assertEq(chainId, block.chainid, "chain id");
        assertEq(codeHash, address(first).codehash, "code hash");
        assertEq(first.logId(), LOG_ID, "logId");
        assertEq(first.owner(), OWNER, "owner");
        assertEq(first.anchorer(), ANCHORER, "anchorer");
        assertEq(first.predecessor(), address(0), "predecessor");
        assertHead(first, EMPTY_ROOT, 0);

        anchorAs(ANCHORER, first, "root", 7, new bytes32[](0));
        vm.setEnv("PREDECESSOR", vm.toString(address(first)));

        (AnomalyLogger second,,) = new Deploy().run();
        assertEq(second.predecessor(), address(first), "predecessor");
        assertHead(second, "root", 7);
    }
}
