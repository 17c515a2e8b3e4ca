// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Base} from "./Base.t.sol";
import {ReferenceTree} from "./utils/ReferenceTree.sol";
import {Rfc9162Harness} from "./utils/Rfc9162Harness.sol";
import {vm} from "./utils/Vm.sol";

/// @notice A call of the SHA-256 precompile that fails must not be believed, not even where it leaves the right hash behind.
/// @dev Every call of the verifiers in turn; the honest proof is accepted before and refused while that one call fails.
contract Rfc9162PrecompileTest is Base {
    address private constant SHA256 = address(2);

    Rfc9162Harness private verifier = new Rfc9162Harness();
    bytes32[] private leaves = [bytes32("leaf 0"), "leaf 1", "leaf 2", "leaf 3"];
    bytes32[] private proof;

    function test_Inclusion_RightSiblingFails() external {
        refusesInclusionWithout(0, leaves[1]);
    }

    function test_Inclusion_LeftSiblingFails() external {
        refusesInclusionWithout(1, leaves[0]);
    }

    // From 3 to 4, the path is leaf 2, leaf 3, and the root of the first two.

    function test_Consistency_RightSiblingFails() external {
        refusesGrowthWithout(leaves[2], leaves[3]);
    }

    function test_Consistency_FirstRootFails() external {
        refusesGrowthWithout(root(2), leaves[2]);
    }

    function test_Consistency_SecondRootFails() external {
        refusesGrowthWithout(root(2), ReferenceTree.node(leaves[2], leaves[3]));
    }

    function refusesInclusionWithout(uint256 index, bytes32 sibling) private {
        bytes32 rootOfTwo = root(2);
        proof = [sibling];
        failHash(leaves[0], leaves[1]);
        assertTrue(!verifier.verifyInclusion(leaves[index], index, 2, proof, rootOfTwo), "believed a hash that failed");
        vm.clearMockedCalls();
        assertTrue(
            verifier.verifyInclusion(leaves[index], index, 2, proof, rootOfTwo), "an honest inclusion was refused"
        );
    }

    function refusesGrowthWithout(bytes32 left, bytes32 right) private {
        bytes32 first = root(3);
        bytes32 second = root(4);
        proof = ReferenceTree.consistency(leaves, 3, 4);
        failHash(left, right);
        assertTrue(!verifier.verifyConsistency(3, first, 4, second, proof), "believed a hash that failed");
        vm.clearMockedCalls();
        assertTrue(verifier.verifyConsistency(3, first, 4, second, proof), "an honest growth was refused");
    }

    /// @dev The call of the precompile for this node fails, and leaves the right hash behind.
    function failHash(bytes32 left, bytes32 right) private {
        bytes32 hash = ReferenceTree.node(left, right);
        vm.mockCallRevert(SHA256, abi.encodePacked(bytes1(0x01), left, right), abi.encode(hash));
    }

    function root(uint256 size) private view returns (bytes32) {
        return ReferenceTree.root(leaves, size);
    }
}
