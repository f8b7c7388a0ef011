#[test]
fn every_operation_of_the_model_is_listed_once() {
    lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::cloudwatch::OPERATIONS);
}
