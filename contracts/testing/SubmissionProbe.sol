// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SubmissionData, Submissions} from "../storage/Submission.sol";

/// @title What the flow thinks of a submission
/// @notice For tests of validity up to heights whose rewards no block has the gas to spread.
contract SubmissionProbe {
    using Submissions for SubmissionData;

    function valid(SubmissionData calldata data) external pure returns (bool) {
        return data.valid();
    }
}
