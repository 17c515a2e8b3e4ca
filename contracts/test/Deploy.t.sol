// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Deploy} from "../script/Deploy.s.sol";
import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {Base} from "./Base.t.sol";
import {vm} from "./utils/Vm.sol";

/// @notice The deploy script: what it refuses, and what it deploys with and without a predecessor.
/// @dev One test and not several: the environment belongs to the whole process, and tests run side by side.
contract DeployTest is Base {
    bytes32[] private none;

    function test_Deploy() external {
        vm.setEnv("LOG_ID", vm.toString(LOG_ID));
        vm.setEnv("OWNER", vm.toString(OWNER));
        vm.setEnv("ANCHORER", vm.toString(ANCHORER));

        refuses("LOG_ID", vm.toString(bytes32(0)), "LOG_ID is zero: `anomaly-ledger admin init` prints the log's");
        refuses("OWNER", vm.toString(address(0)), "OWNER is zero: nobody could replace a stolen anchoring key");
        refuses("ANCHORER", vm.toString(address(0)), "ANCHORER is zero: nobody could anchor");
        refuses(
            "ANCHORER",
            vm.toString(OWNER),
            "ANCHORER is OWNER: the key that is used every day must not be the one that replaces it"
        );
        refuses("PREDECESSOR", vm.toString(STRANGER), "PREDECESSOR has no code on this chain");

        AnomalyLogger first = deploys(address(0));
        assertHead(first, EMPTY_ROOT, 0);
        anchorAs(ANCHORER, first, "root", 7, none);
        succeeds(first);
    }

    /// @dev The order of docs/operations.md: nobody may anchor in the predecessor any more when its successor begins.
    function succeeds(AnomalyLogger first) private {
        string memory predecessor = vm.toString(address(first));
        refuses("PREDECESSOR", predecessor, "PREDECESSOR still has an anchorer: its owner calls removeAnchorer() first");

        vm.startPrank(OWNER);
        first.removeAnchorer();
        first.proposeAnchorer(STRANGER);
        vm.stopPrank();
        refuses(
            "PREDECESSOR",
            predecessor,
            "PREDECESSOR has a candidate who could anchor there: its owner calls proposeAnchorer(0) first"
        );

        vm.prank(OWNER);
        first.proposeAnchorer(address(0));
        vm.setEnv("PREDECESSOR", predecessor);
        refuses("LOG_ID", vm.toString(bytes32("another log")), "PREDECESSOR anchors another log than LOG_ID");
        assertHead(deploys(address(first)), "root", 7);
    }

    function deploys(address predecessor) private returns (AnomalyLogger logger) {
        uint256 chainId;
        bytes32 codeHash;
        (logger, chainId, codeHash) = new Deploy().run();
        assertEq(chainId, block.chainid, "chain id");
        assertEq(codeHash, address(logger).codehash, "code hash");
        assertEq(logger.logId(), LOG_ID, "logId");
        assertEq(logger.owner(), OWNER, "owner");
        assertEq(logger.anchorer(), ANCHORER, "anchorer");
        assertEq(logger.predecessor(), predecessor, "predecessor");
    }

    /// @dev With one variable of the environment set to something else, which is then as it was: none of them is a secret.
    function refuses(string memory name, string memory value, string memory why) private {
        Deploy script = new Deploy();
        string memory before = vm.envOr(name, vm.toString(address(0)));
        vm.setEnv(name, value);
        vm.expectRevert(bytes(why));
        script.run();
        vm.setEnv(name, before);
    }
}
